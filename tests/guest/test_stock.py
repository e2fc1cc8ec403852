#!/usr/bin/python3
"""Unmodified guests: Debian's kernels as packaged, alone and under GRUB, memtest86+, a whole Debian system."""

import hashlib
import re
import shutil
import struct
import subprocess
from pathlib import Path

import harness
import initramfs
from harness import LOGS, Failure, Machine, accel, case, check_ext4, need_any_code, need_program, stock_guest

BUSYBOX = Path("/bin/busybox")
GRUB = Path("/usr/lib/grub/i386-pc")
SECTOR = 512
PARTITION = 2048 * SECTOR
INIT = """#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs devtmpfs /dev
/bin/busybox --install -s /bin
export PATH=/bin PS1='rhea# '
echo RHEA-INIT up
exec setsid cttyhack sh
"""
CHECKSUM_BYTES = 50 << 20


def busybox_initramfs(name):
    """An initramfs with a shell on the console."""
    if not BUSYBOX.exists():
        raise harness.Skip("busybox-static is not installed")
    LOGS.mkdir(parents=True, exist_ok=True)
    init, archive = LOGS / f"{name}.init", LOGS / f"{name}.cpio"
    init.write_text(INIT, encoding="utf-8")
    archive.write_bytes(initramfs.build([f"init={init}", f"bin/busybox={BUSYBOX}", "proc/", "sys/", "tmp/"]))
    return archive


def use_shell(machine, vcpus):
    """From the kernel's start to power-off: commands, all processors, a checksum."""
    machine.expect("RHEA-INIT up", 150)
    machine.expect("rhea# ", 20)
    machine.send("echo CPUS=$(nproc)\n")
    have = machine.expect(r"^CPUS=(\d+)$", 20)[1]
    if int(have) != vcpus:
        raise Failure(f"the kernel runs on {have} processors, want {vcpus}")
    if harness.ACCEL == "tcg":
        machine.send("grep -c lapic-deadline /proc/timer_list; dmesg | grep 'TSC deadline'\n")
        machine.expect(f"^{vcpus}$", 20)
        machine.expect("TSC deadline timer available", 20)
    machine.send("ls -l /bin | grep -c busybox; mount | sort | head -n 3; ps | tail -n 2; expr 6 '*' 7\n")
    machine.expect("^42$", 20)
    data = BUSYBOX.read_bytes()
    copies = CHECKSUM_BYTES // len(data) + 1
    machine.send(f"for i in $(seq {copies}); do cat /bin/busybox; done | md5sum\n")
    machine.expect(f"^{hashlib.md5(data * copies).hexdigest()}  -$", 60)
    machine.send("dmesg | grep -cE 'Call Trace|MSR access error|TSC warp|stall'\n")
    if machine.expect(r"^(\d+)$", 20)[1] != "0":
        raise Failure("the kernel complained: see dmesg")
    machine.send("poweroff -f\n")
    machine.wait(0, 30)


def boot_kernel(kernel, board, vcpus):
    name = f"{kernel}-{board}-{vcpus}"
    with Machine(*accel(), "-M", board, "-smp", vcpus, "-m", "256", "-no-reboot", "-kernel", stock_guest(kernel),
                 "-initrd", busybox_initramfs(name), "-append", "console=ttyS0 quiet", name=name) as machine:
        use_shell(machine, vcpus)


def kernel_case(kernel, board, vcpus):
    def run():
        boot_kernel(f"{kernel}-kernel", board, vcpus)
    run.__name__ = f"{kernel}_{board}_{vcpus}"
    case(run)


for each_kernel in ("cloud", "full"):
    for each_board in ("q35", "microvm"):
        for each_vcpus in (1, 4):
            kernel_case(each_kernel, each_board, each_vcpus)


def grub_linux_disk(path):
    """An MBR disk: GRUB before the first partition, which has the stock kernel and an initramfs; made without root."""
    need_program("grub-mkimage")
    if not GRUB.is_dir():
        raise harness.Skip("grub-pc-bin is not installed")
    tree = path.with_suffix(".tree")
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True)
    shutil.copy(stock_guest("cloud-kernel"), tree / "vmlinuz")
    shutil.copy(busybox_initramfs("grub-linux"), tree / "initrd")
    config, core, partition = path.with_suffix(".cfg"), path.with_suffix(".core"), path.with_suffix(".part")
    config.write_text("serial --unit=0 --speed=115200\nterminal_output serial\nset root=(hd0,msdos1)\n"
                      "linux /vmlinuz console=ttyS0 quiet\ninitrd /initrd\nboot\n", encoding="utf-8")
    subprocess.run(["grub-mkimage", "-O", "i386-pc", "-o", core, "-c", config, "-p", "(hd0,msdos1)/",
                    "biosdisk", "part_msdos", "ext2", "serial", "terminal", "normal", "linux"], check=True)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", tree, partition, "32M"], check=True)
    data = partition.read_bytes()
    boot = bytearray((GRUB / "boot.img").read_bytes())
    entry = struct.pack("<B3sB3sII", 0x80, b"\0\x20\x21", 0x83, b"\xfe\xff\xff", PARTITION // SECTOR, len(data) // SECTOR)
    boot[446:510] = entry.ljust(64, b"\0")
    boot[510:512] = b"\x55\xaa"
    path.write_bytes((bytes(boot) + core.read_bytes()).ljust(PARTITION, b"\0") + data)
    return path


@case
def grub_linux():
    """SeaBIOS reads GRUB from an MBR, GRUB the stock kernel from ext4, and the kernel runs."""
    need_any_code("GRUB's Linux")
    LOGS.mkdir(parents=True, exist_ok=True)
    image = grub_linux_disk(LOGS / "grub-linux.img")
    with Machine(*accel(), "-M", "q35", "-m", "256", "-no-reboot", "-net", "none",
                 "-drive", f"if=none,id=d0,file={image},format=raw,readonly=on",
                 "-device", "virtio-blk-pci,drive=d0,bootindex=1", name="grub-linux") as machine:
        use_shell(machine, 1)


def run_memtest(name, until, seconds):
    """memtest86+ on little memory, until that appears, without an error."""
    with Machine(*accel(), "-M", "q35", "-m", "16", "-kernel", stock_guest("memtest"),
                 "-append", "console=ttyS0,115200 nobench", name=name) as machine:
        machine.expect("Memtest86", 30)
        machine.expect(until, seconds)
        errors = {int(number) for number in re.findall(r"Errors: +(\d+)", machine.text)}
        if errors != {0}:
            raise Failure(f"memtest86+ counts errors: {errors}")


@case
def memtest_quick():
    """Its address, moving inversion and modulo tests: as far as the one that waits for minutes (#9 may be too short to be shown)."""
    run_memtest("memtest-quick", "#10 ", 120)


@case
def memtest_pass():
    """One pass of all; the last test waits for minutes to see bits fade."""
    run_memtest("memtest-pass", "Pass: +1 ", 600)


def log_in(machine):
    machine.expect("login: ", 300)
    machine.send("root\n")
    machine.expect("Password: ", 30)
    machine.send("rhea\n")
    machine.expect("root@rhea:~# ", 60)
    machine.send("exec sh\n")       # no line editing, whose escape sequences would stand among the answers
    machine.expect(r"exec sh\n.*# ", 30)


def ask(machine, command, pattern, seconds=60):
    machine.send(command + "\n")
    machine.expect(pattern, seconds)
    machine.expect("# ", 10)


def debian_system(name, work):
    """Boots the Debian disk with two vCPUs, logs in, lets work(machine) happen, shuts down; the file system is clean."""
    kept = stock_guest("debian").parent
    LOGS.mkdir(parents=True, exist_ok=True)
    disk = LOGS / f"{name}.img"
    subprocess.run(["cp", "--sparse=always", "--no-preserve=mode", kept / "disk", disk], check=True)
    with Machine(*accel(), "-M", "q35", "-smp", "2", "-m", "512", "-no-reboot",
                 "-kernel", kept / "vmlinuz", "-initrd", kept / "initrd", "-append", "console=ttyS0 root=/dev/vda ro quiet",
                 "-drive", f"if=none,id=d0,file={disk},format=raw", "-device", "virtio-blk-pci,drive=d0", name=name) as machine:
        log_in(machine)
        work(machine)
        machine.send("poweroff\n")
        machine.wait(0, 120)
        check_ext4(disk)
    disk.unlink()


@case
def debian_login():
    debian_system("debian-login", lambda machine: ask(machine, "systemctl is-system-running --wait", "^running$", 120))


def debian_work(machine):
    ask(machine, "dpkg -l systemd gcc python3-minimal | grep -c ^ii", "^3$")
    ask(machine, r"""printf '#include <stdio.h>\nint main(void) { double s = 0; for (int i = 1; i < 1000001; i++) """
        r"""s += 1.0 / i; printf("H=%%.6f\\n", s); return 0; }\n' >h.c && gcc -O2 -o h h.c && ./h""", "^H=14.392727$", 120)
    ask(machine, "python3 -c 'print(sum(int(d) for d in str(3 ** 8000)))'",
        f"^{sum(int(digit) for digit in str(3 ** 8000))}$", 60)
    size = 100 << 20
    wanted = hashlib.sha256((b"rhea\n" * (size // 5 + 1))[:size]).hexdigest()
    ask(machine, f"yes rhea | head -c {size} | sha256sum", f"^{wanted}  -$", 120)


@case
def debian_work_day():
    """Package query, compiler, Python, checksum."""
    debian_system("debian-work", debian_work)


if __name__ == "__main__":
    harness.main()
