#!/usr/bin/python3
"""Counts how often the threads of an idle machine wake up: a guest that halts must cost nothing.

    idle.py [--binary PATH] [--peer PATH] [--seconds N] [--most N]

The guest is one instruction, HLT with interrupts off, in a firmware image of 64 KiB. Prints wake-ups
(voluntary context switches) of every thread; with --most, fails when the binary has more in all.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RESET_VECTOR = 0xfff0
HALT = bytes([0xfa, 0xf4, 0xeb, 0xfc])      # again: cli; hlt; jmp again


def firmware(path):
    image = bytearray(0x10000)
    image[RESET_VECTOR:RESET_VECTOR + len(HALT)] = HALT
    path.write_bytes(image)


def machine(binary, bios, disk):
    return [binary, "-accel", "kvm", "-M", "q35", "-cpu", "host", "-m", "64", "-nodefaults",
            "-no-user-config", "-display", "none", "-bios", str(bios),
            "-object", "iothread,id=io0", "-blockdev", f"driver=file,node-name=d0,filename={disk}",
            "-device", "virtio-blk-pci,drive=d0,iothread=io0", "-device", "virtio-rng-pci"]


def switches(pid):
    """Voluntary context switches by thread: {"id name": count}."""
    counts = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            fields = dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines()
                          if ":\t" in line)
        except FileNotFoundError:       # ended meanwhile
            continue
        counts[f"{task.name} {fields['Name']}"] = int(fields["voluntary_ctxt_switches"])
    return counts


def wakeups(argv, seconds):
    """Wake-ups by thread name over @seconds, once the machine has been up for two."""
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL)
    try:
        time.sleep(2)
        before = switches(process.pid)
        time.sleep(seconds)
        after = switches(process.pid)
        if process.poll() is not None:
            raise SystemExit(f"{argv[0]}: ended with status {process.returncode}")
    finally:
        process.kill()
        process.wait()
    return {name: count - before.get(name, 0) for name, count in after.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", default="build/qemu-system-x86_64")
    parser.add_argument("--peer", default="/usr/bin/qemu-system-x86_64")
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--most", type=int)
    arguments = parser.parse_args()
    totals = {}
    with tempfile.TemporaryDirectory() as scratch:
        bios, disk = Path(scratch) / "halt.bin", Path(scratch) / "disk"
        firmware(bios)
        disk.touch()
        os.truncate(disk, 1 << 20)
        for binary in (arguments.binary, arguments.peer):
            if not os.access(binary, os.X_OK):
                continue
            found = wakeups(machine(binary, bios, disk), arguments.seconds)
            totals[binary] = sum(found.values())
            print(f"{binary}: {totals[binary]} wake-ups in {arguments.seconds:g} s")
            for name, count in sorted(found.items()):
                print(f"    {name}: {count}")
    if arguments.most is not None and totals[arguments.binary] > arguments.most:
        sys.exit(f"{arguments.binary}: more than {arguments.most} wake-ups of an idle machine")


if __name__ == "__main__":
    main()
