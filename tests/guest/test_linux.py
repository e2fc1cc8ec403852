#!/usr/bin/python3
"""Linux boots, finds its devices, keeps a file system whole, and ends in every way it knows.

Each boot checks much in one go: a boot costs ten to thirty seconds where guest kernel code is
interpreted.
"""

import re
import socket
import time

import harness
from harness import Failure, case, check_ext4, expect_tests, linux, make_ext4

# What a q35 machine has of its own, and the two devices that q35_devices adds.
Q35_PCI = {
    "0000:00:00.0": "8086:29c0 060000",
    "0000:00:01.0": "1af4:1001 010000",
    "0000:00:02.0": "1af4:1005 00ff00",
    "0000:00:1f.0": "8086:2918 060100",
    "0000:00:1f.3": "8086:2930 0c0500",
}
NOT_YET = {"0000:00:1f.2"}      # the AHCI controller, which q35 does not have yet


def disk_image(name):
    """A fresh ext4 image beside the logs, so that it can be looked at after a failure."""
    harness.LOGS.mkdir(parents=True, exist_ok=True)
    path = harness.LOGS / f"{name}.img"
    make_ext4(path)
    return path


def drive(path):
    return ("-drive", f"if=none,id=d0,file={path},format=raw,cache=writeback")


def blockdev(path):
    return ("-blockdev", f'{{"driver":"raw","node-name":"d0",'
            f'"file":{{"driver":"file","filename":"{path}"}}}}')


def run(name, arguments, tests, image=None, seconds=150, **keywords):
    """Boots, checks the tests, waits for the machine to end, checks the disk; returns all output."""
    with linux(*arguments, tests=tests, name=name, **keywords) as machine:
        expect_tests(machine, tests, seconds)
        machine.wait(0, 60)
        if image:
            check_ext4(image)
        return machine.text


@case
def q35_devices():
    """One vCPU: disk on the main loop, random numbers, PCI as it should be, clock, keyboard."""
    image = disk_image("q35-devices")
    tests = ["cpus:1", "disk:/dev/vda:1024", "rng", "pci", f"clock:{int(time.time())}",
             "input:AT_Translated"]
    text = run("q35-devices", ["-M", "q35", *drive(image), "-device", "virtio-blk-pci,drive=d0,addr=1",
                               "-device", "virtio-rng-pci,addr=2"], tests, image)
    have = dict(re.findall(r"^RHEA-PCI (\S+) (.*)$", text, re.M))
    have = {where: what for where, what in have.items() if where not in NOT_YET}
    if have != Q35_PCI:
        raise Failure(f"PCI functions are {have}, want {Q35_PCI}")


@case
def q35_smp_iothread():
    """Two vCPUs: disk on an IOThread, by -blockdev."""
    image = disk_image("q35-smp-iothread")
    run("q35-smp-iothread",
        ["-M", "q35", "-smp", "2", "-object", "iothread,id=io0", *blockdev(image),
         "-device", "virtio-blk-pci,drive=d0,iothread=io0"],
        ["cpus:2", "disk:/dev/vda:2048"], image)


@case
def q35_own_chips():
    """Two vCPUs and no interrupt chip in the kernel: INIT, start-up, IPIs, timers and MSI-X by ours."""
    image = disk_image("q35-own-chips")
    run("q35-own-chips",
        ["-M", "q35,kernel-irqchip=off", "-smp", "2", *drive(image), "-device", "virtio-blk-pci,drive=d0"],
        ["cpus:2", "disk:/dev/vda:1024"], image)


@case
def q35_console_balloon():
    """virtio console, a virtio port with both ends talking, balloon, the power button."""
    tests = ["hvc", "port:rhea.port", "balloon:8", "power"]
    port = harness.LOGS / "q35-console-balloon.hvc"
    sock = f"/tmp/rhea-port-{time.monotonic_ns()}"
    with linux("-M", "q35",
               "-chardev", f"file,id=c0,path={port}",
               "-chardev", f"socket,id=c1,path={sock},server=on,wait=off",
               "-device", "virtio-serial-pci", "-device", "virtconsole,chardev=c0",
               "-device", "virtserialport,chardev=c1,name=rhea.port",
               "-device", "virtio-balloon-pci,id=b0",
               tests=tests, qmp=True, name="q35-console-balloon") as machine:
        qmp = machine.qmp()
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(90 * harness.SCALE)
        client.connect(sock)
        if client.recv(16) != b"ready\n":
            raise Failure("the virtio port did not say ready")
        client.sendall(b"hello, guest\n")
        if client.recv(64) != b"HELLO, GUEST\n":
            raise Failure("the virtio port did not answer in capitals")
        machine.expect("^RHEA-READY balloon", 30)
        qmp.run("balloon", value=52 << 20)
        machine.expect("^RHEA-READY power", 30)
        qmp.run("system_powerdown")
        machine.position = 0
        expect_tests(machine, tests, 60)
        machine.wait(0, 60)
        if b"hello from hvc0" not in port.read_bytes():
            raise Failure("nothing came through the virtio console")


@case
def microvm_acpi():
    """microvm with ACPI: virtio-mmio devices come from the DSDT; power off by ACPI."""
    image = disk_image("microvm-acpi")
    run("microvm-acpi", ["-M", "microvm,acpi=on", *drive(image), "-device",
                         "virtio-blk-device,drive=d0", "-device", "virtio-rng-device"],
        ["cpus:1", "disk:/dev/vda:1024", "rng"], image)


@case
def microvm_acpi_smp():
    run("microvm-acpi-smp", ["-M", "microvm,acpi=on", "-smp", "2"], ["cpus:2"])


@case
def microvm_cmdline():
    """microvm without ACPI: the command line describes virtio-mmio; a disk on an IOThread."""
    image = disk_image("microvm-cmdline")
    run("microvm-cmdline", ["-M", "microvm,acpi=off", "-object", "iothread,id=io0", *blockdev(image),
                            "-device", "virtio-blk-device,drive=d0,iothread=io0"],
        ["cpus:1", "disk:/dev/vda:1024"], image, append="acpi=off reboot=t", end="reboot")


@case
def microvm_cmdline_smp():
    run("microvm-cmdline-smp", ["-M", "microvm,acpi=off", "-smp", "2"], ["cpus:2"],
        append="acpi=off reboot=t", end="reboot")


@case
def q35_four():
    """Four vCPUs: more than the host has processors, often."""
    image = disk_image("q35-four")
    run("q35-four", ["-M", "q35", "-smp", "4", *drive(image), "-device", "virtio-blk-pci,drive=d0"],
        ["cpus:4", "disk:/dev/vda:1024"], image)


@case
def microvm_four():
    image = disk_image("microvm-four")
    run("microvm-four", ["-M", "microvm,acpi=on", "-smp", "4", *drive(image), "-device",
                         "virtio-blk-device,drive=d0"], ["cpus:4", "disk:/dev/vda:1024"], image)


@case
def q35_reboot_acpi():
    run("q35-reboot-acpi", ["-M", "q35"], [], append="reboot=acpi", end="reboot")


@case
def q35_reboot_cf9():
    run("q35-reboot-cf9", ["-M", "q35"], [], end="cf9")


@case
def q35_reboot_kbd():
    run("q35-reboot-kbd", ["-M", "q35"], [], end="kbd")


@case
def bzimage():
    """The compressed kernel: unpacking it takes minutes where guest kernel code is interpreted."""
    harness.need_any_code("unpacking a bzImage")
    run("bzimage", ["-M", "q35"], ["cpus:1"], kernel="bzImage")


if __name__ == "__main__":
    harness.main()
