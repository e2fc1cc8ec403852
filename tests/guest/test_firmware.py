#!/usr/bin/python3
"""SeaBIOS: finds nothing to boot, and boots GRUB from a virtio disk with its menu on the serial line."""

import struct
import subprocess
from pathlib import Path

import harness
from harness import LOGS, Machine, Skip, accel, case, need_program

GRUB = Path("/usr/lib/grub/i386-pc")
SECTOR = 512
# Only what the menu needs: the image is unpacked by interpreted code on some hosts.
GRUB_MODULES = ["biosdisk", "memdisk", "tar", "normal", "serial", "terminal", "configfile", "echo", "iorw"]
GRUB_CONFIG = """
serial --unit=0 --speed=115200
terminal_input serial
terminal_output serial
set timeout=-1
menuentry "Say something" {
    echo RHEA-GRUB said
}
menuentry "End with 33" {
    outb 0xf4 0x10
}
"""


def grub_disk(path):
    """A disk that is nothing but GRUB: boot.img in sector 0, core.img with its menu behind it.

    boot.img loads the sector after it unless told otherwise, so no installer (and no root) is needed.
    """
    need_program("grub-mkstandalone")
    if not GRUB.is_dir():
        raise Skip("grub-pc-bin is not installed")
    config, core = path.with_suffix(".cfg"), path.with_suffix(".core")
    config.write_text(GRUB_CONFIG, encoding="utf-8")
    subprocess.run(["grub-mkstandalone", "-O", "i386-pc", "-o", core, "--locales=", "--fonts=",
                    "--themes=", f"--modules={' '.join(GRUB_MODULES)}",
                    f"--install-modules={' '.join(GRUB_MODULES)}",
                    f"boot/grub/grub.cfg={config}"], check=True, capture_output=True)
    image = (GRUB / "boot.img").read_bytes() + core.read_bytes()
    # diskboot's list of blocks: what follows the first sector of the core, from sector 2 on.
    start, = struct.unpack_from("<Q", image, 2 * SECTOR - 12)
    if start != 2:
        raise harness.Failure(f"core.img wants to start at sector {start}, not 2")
    path.write_bytes(image + b"\0" * (-len(image) % (1 << 20)))
    return path


def seabios(*arguments, **keywords):
    return Machine(*accel(), "-m", "64", "-M", "q35", "-net", "none",
                   "-device", "isa-debug-exit,iobase=0xf4,iosize=4", *arguments, **keywords)


@case
def no_bootable_device():
    """SeaBIOS on its debug port goes through its whole start and finds nothing."""
    with seabios("-chardev", "stdio,id=c", "-device", "isa-debugcon,iobase=0x402,chardev=c",
                 serial=False, name="no-bootable-device") as machine:
        machine.expect("^SeaBIOS", 20)
        machine.expect("^No bootable device", 60)


@case
def boot_order():
    """Of two disks that end the machine, each with its own code, the lower bootindex is booted."""
    LOGS.mkdir(parents=True, exist_ok=True)
    for first, second, code in ((1, 2, 0x21), (2, 1, 0x23)):
        disks = []
        for name, index, value in (("a", first, 0x10), ("b", second, 0x11)):
            image = LOGS / f"boot-order-{name}.img"
            # mov dx, 0xf4; mov al, value; out dx, al; jmp .
            sector = bytes((0xba, 0xf4, 0x00, 0xb0, value, 0xee, 0xeb, 0xfe))
            image.write_bytes(sector.ljust(SECTOR - 2, b"\0") + b"\x55\xaa" + b"\0" * (1 << 20))
            disks += ["-drive", f"if=none,id={name},file={image},format=raw,readonly=on",
                      "-device", f"virtio-blk-pci,drive={name},bootindex={index}"]
        with seabios(*disks, name="boot-order") as machine:
            machine.wait(code, 60)


@case
def smm_taken():
    """SeaBIOS puts its handler into SMRAM and closes that, where there is any; a boot sector reads the register and ends with it."""
    LOGS.mkdir(parents=True, exist_ok=True)
    image = LOGS / "smm-taken.img"
    # mov eax, 0x8000009c; mov dx, 0xcf8; out dx, eax; mov dl, 0xfd; in al, dx; mov dx, 0xf4; out dx, al; jmp .
    code = bytes.fromhex("66b89c000080baf80c66efb2fdecbaf400eeebfe")
    image.write_bytes(code.ljust(SECTOR - 2, b"\0") + b"\x55\xaa" + b"\0" * (1 << 20))
    for smm, smram in (("on", 0x0a), ("auto", 0x0a), ("off", 0x02)):
        with Machine("-accel", "tcg", "-m", "64", "-M", f"q35,smm={smm}", "-net", "none", "-device",
                     "isa-debug-exit,iobase=0xf4,iosize=4", "-drive", f"if=none,id=d,file={image},format=raw,readonly=on",
                     "-device", "virtio-blk-pci,drive=d,bootindex=1", name="smm-taken") as machine:
            machine.wait(smram << 1 | 1, 60)


@case
def grub_menu():
    """GRUB from virtio-blk shows its menu on the serial line and answers keys."""
    LOGS.mkdir(parents=True, exist_ok=True)
    image = grub_disk(LOGS / "grub.img")
    with seabios("-drive", f"if=none,id=d0,file={image},format=raw,readonly=on",
                 "-device", "virtio-blk-pci,drive=d0,bootindex=1", name="grub-menu") as machine:
        machine.expect("Say something", 120)
        machine.send("\r")
        machine.expect("RHEA-GRUB said", 30)
        machine.send(" ")
        machine.expect("End with 33", 30)
        machine.send("\x0e\r")      # Control-N: down
        machine.wait(33, 30)


if __name__ == "__main__":
    harness.main()
