#!/usr/bin/python3
"""Bare-metal guests: reset vector, PVH entry, timers, interrupts, resets."""

import tempfile
from pathlib import Path

import harness
from harness import GUESTS, Machine, accel, case

DEBUG_EXIT = ("-device", "isa-debug-exit,iobase=0xf4,iosize=4")
PASSED = 33


def micro(name, *arguments):
    with Machine(*accel(), "-m", "64", "-no-reboot", *DEBUG_EXIT, *arguments,
                 name=name) as machine:
        machine.expect("^MICRO: up", 20)
        machine.expect("^MICRO: PASSED", 60)
        machine.wait(PASSED)


@case
def micro_rom():
    micro("micro-rom", "-M", "q35", "-bios", GUESTS / "micro/micro.rom")


@case
def micro_pvh():
    micro("micro-pvh", "-M", "q35", "-kernel", GUESTS / "micro/micro.elf")


@case
def micro_microvm_rom():
    micro("micro-microvm-rom", "-M", "microvm", "-bios", GUESTS / "micro/micro.rom")


@case
def micro_microvm_pvh():
    micro("micro-microvm-pvh", "-M", "microvm", "-kernel", GUESTS / "micro/micro.elf")


@case
def micro_split_irqchip():
    # Without PIT and PIC in the kernel the PIT interrupt comes from ours, through the I/O APIC.
    micro("micro-split", "-M", "q35,kernel-irqchip=split", "-bios", GUESTS / "micro/micro.rom")


@case
def micro_own_chips():
    """All interrupt chips are ours: local APIC, timer, IPIs, I/O APIC, PIT."""
    micro("micro-own-chips", "-M", "q35,kernel-irqchip=off", "-bios", GUESTS / "micro/micro.rom")


def thread_ns(machine, name):
    """CPU time of the thread of that name."""
    for task in Path(f"/proc/{machine.process.pid}/task").iterdir():
        if (task / "comm").read_text(encoding="utf-8").strip() == name:
            return int((task / "schedstat").read_text(encoding="utf-8").split()[0])
    raise harness.Failure(f"there is no thread '{name}'")


def request_phases(machine, busy, idle):
    for depth in (1, 32):
        for wait in ("polled", "interrupt"):
            for kind in ("read", "write"):
                machine.expect(f"^BLK begin {kind} {depth} {wait}", 20)
                machine.send("1")
                machine.expect(f"^BLK end {kind} {depth} {wait}: [0-9]+ in", 30)
                if busy and thread_ns(machine, busy) < 4 * thread_ns(machine, idle):
                    raise harness.Failure(f"thread '{busy}' has not done the work")
    machine.wait(PASSED)


DISK = "virtio-blk-pci,drive=d0,queue-size=1024,num-queues=1,disable-legacy=on"


def disk_requests(name, *arguments, device=DISK, node="", busy=None, idle=None):
    """Random requests: all data comes back as written, polled and by interrupt."""
    with tempfile.NamedTemporaryFile(prefix="rhea-test-") as image:
        image.truncate(16 << 20)
        with Machine(*accel(), "-M", "q35", "-m", "64", *DEBUG_EXIT, *arguments,
                     "-blockdev", f"driver=file,node-name=d0,filename={image.name}{node}",
                     "-device", device, "-bios", GUESTS / "micro/blk.rom", name=name) as machine:
            request_phases(machine, busy, idle)


@case
def disk_main_loop():
    disk_requests("disk-main-loop")


@case
def disk_iothread():
    disk_requests("disk-iothread", "-object", "iothread,id=io0", device=DISK + ",iothread=io0")


@case
def disk_vq_mapping():
    """The thread of queue 0 does the work, the one of queue 1 nothing."""
    disk_requests("disk-vq-mapping", "-object", "iothread,id=io0", "-object", "iothread,id=io1",
                  device='{"driver":"virtio-blk-pci","drive":"d0","queue-size":1024,"num-queues":2,'
                         '"disable-legacy":"on","iothread-vq-mapping":[{"iothread":"io0","vqs":[1]},'
                         '{"iothread":"io1","vqs":[0]}]}', busy="IO io1", idle="IO io0")


@case
def disk_direct_ring():
    disk_requests("disk-direct-ring", "-object", "iothread,id=io0", device=DISK + ",iothread=io0",
                  node=",cache.direct=on,aio=io_uring")


@case
def reset_ways():
    """Port 0xcf9, keyboard controller, port 0x92 and triple faults each restart the machine."""
    with Machine(*accel(), "-M", "q35", "-m", "64", *DEBUG_EXIT, "-bios",
                 GUESTS / "micro/reset.rom", qmp=True, name="reset-ways") as machine:
        qmp = machine.qmp()
        machine.expect("^RESET: up$", 20)
        for letter in "ck9td":
            machine.send(letter)
            event = qmp.event("RESET")
            if not event["data"]["guest"]:
                raise harness.Failure(f"way '{letter}': {event} is not the guest's doing")
            machine.expect("^RESET: up$", 20)
        machine.send("x")
        machine.wait(PASSED)


@case
def smm():
    """A guest that is its own firmware moves into SMRAM, closes it, and stays itself through SMIs: translated and interpreted."""
    for options in ("", ",x-translate=off"):
        with Machine("-accel", "tcg" + options, "-cpu", "max", "-M", "q35,smm=on", "-m", "64", "-smp", "2", "-no-reboot",
                     *DEBUG_EXIT, "-bios", GUESTS / "micro/smm.rom", name="smm") as machine:
            machine.expect("^SMM: broadcast", 20)
            machine.expect("^SMM: PASSED", 20)
            machine.wait(PASSED)


@case
def no_reboot():
    """With -no-reboot a reset ends the program, and QMP says why."""
    with Machine(*accel(), "-M", "q35", "-m", "64", "-no-reboot", "-bios",
                 GUESTS / "micro/reset.rom", qmp=True, name="no-reboot") as machine:
        qmp = machine.qmp()
        machine.expect("^RESET: up$", 20)
        machine.send("t")
        event = qmp.event("SHUTDOWN")
        if event["data"] != {"guest": True, "reason": "guest-reset"}:
            raise harness.Failure(f"SHUTDOWN event says {event['data']}")
        machine.wait(0)


if __name__ == "__main__":
    harness.main()
