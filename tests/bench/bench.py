#!/usr/bin/python3
"""Compares Rhea with Debian's qemu: alternating runs, medians, one table. Never asserts a time.

    bench.py [--binary PATH] [--peer PATH] [--guests DIR] [--rounds N] [NAME...]

NAMEs: start memory exits, and for disks blk-tmpfs blk-disk with -iothread behind or not (all by default); for the
software engine tcg-boot tcg-loops tcg-system tcg-memory, or tcg for these four.
scripts/bench finds the paths.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import tcg

RAM_MIB = 64
DEBUG_EXIT = ["-device", "isa-debug-exit,iobase=0xf4,iosize=4"]
PASSED = 33


def q35_of_20_devices():
    """A q35 such as a management program writes down: root ports, virtio, a disk, consoles."""
    argv = ["-accel", "kvm", "-M", "q35", "-cpu", "host", "-m", str(RAM_MIB), "-nodefaults",
            "-no-user-config", "-display", "none", "-net", "none", *DEBUG_EXIT]
    for i in range(8):
        argv += ["-device", f"pcie-root-port,id=rp{i},port={i},chassis={i + 1},addr=2.{i}"
                 + (",multifunction=on" if i == 0 else "")]
    for i in range(2):
        argv += ["-blockdev", f"driver=null-co,node-name=n{i},size=1073741824,read-zeroes=on",
                 "-device", f"virtio-blk-pci,drive=n{i},bus=rp{i},serial=disk{i}"]
    argv += ["-chardev", "null,id=c0", "-chardev", "null,id=c1", "-chardev", "null,id=c2",
             "-device", "virtio-serial-pci,id=vs,bus=rp2", "-device", "virtconsole,chardev=c0",
             "-device", "virtserialport,chardev=c1,name=org.example.0",
             "-device", "virtio-rng-pci,bus=rp3", "-device", "virtio-balloon-pci,bus=rp4",
             "-device", "isa-serial,chardev=c2", "-device", "pvpanic", "-device", "vmcoreinfo",
             "-device", "edu"]
    return argv


def finish(process):
    """Exit status, CPU seconds of a process that ends by itself."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_utime + usage.ru_stime


def quiet(argv, **keywords):
    return subprocess.Popen(argv, stdin=subprocess.DEVNULL, **keywords)


def first_instruction(binary, guests):
    """Milliseconds from fork to the end of a guest that ends with its first instruction."""
    began = time.perf_counter()
    process = quiet([binary, *q35_of_20_devices(), "-bios", str(guests / "micro/first.rom")])
    status, cpu = finish(process)
    wall = time.perf_counter() - began
    if status != PASSED:
        raise SystemExit(f"{binary}: exit status {status}, want {PASSED}")
    return {"to first instruction, CPU ms": cpu * 1e3, "to first instruction, wall ms": wall * 1e3}


def greeting(binary, _guests):
    began = time.perf_counter()
    process = subprocess.Popen([binary, "-M", "none", "-nodefaults", "-display", "none", "-qmp",
                                "stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    line = process.stdout.readline()
    wall = time.perf_counter() - began
    process.kill()
    process.wait()
    if b"QMP" not in line:
        raise SystemExit(f"{binary}: no QMP greeting but {line!r}")
    return {"-M none to QMP greeting, wall ms": wall * 1e3}


def start(binary, guests):
    return {**first_instruction(binary, guests), **greeting(binary, guests)}


def private_kib(pid):
    """Private memory of a process without guest RAM, which is the one mapping of just that size."""
    total = size = 0
    for line in Path(f"/proc/{pid}/smaps").read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition(":")
        if key == "Size":
            size = int(value.split()[0])
        elif key in ("Private_Clean", "Private_Dirty") and size != RAM_MIB << 10:
            total += int(value.split()[0])
    return total


def memory(binary, guests):
    """The 20-device machine once its guest is up."""
    process = subprocess.Popen([binary, *q35_of_20_devices(), "-serial", "stdio", "-bios",
                                str(guests / "micro/reset.rom")],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    line = process.stdout.readline()
    kib = private_kib(process.pid)
    process.kill()
    process.wait()
    if b"RESET: up" not in line:
        raise SystemExit(f"{binary}: the guest said {line!r}")
    return {"private memory beyond guest RAM, MiB": kib / 1024}


def rates(argv):
    run = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    found = dict(re.findall(r"^EXITS (\w+) (\d+)", run.stdout, re.M))
    if run.returncode != PASSED or set(found) != {"pio", "mmio"}:
        raise SystemExit(f"{argv[0]}: status {run.returncode}, {run.stdout}{run.stderr}")
    return {f"{kind} exits, 1000/s": int(rate) / 1e3 for kind, rate in found.items()}


def exits(binary, guests):
    """Exits a second, and their share of what a bare KVM_RUN loop does at that moment."""
    rom = str(guests / "micro/exits.rom")
    ours = rates([binary, "-accel", "kvm", "-M", "q35", "-cpu", "host", "-m", str(RAM_MIB),
                  "-nodefaults", "-display", "none", "-serial", "stdio", *DEBUG_EXIT, "-bios", rom])
    bare = rates([str(guests.parent / "bench/bare-kvm"), rom])
    shares = {name.replace("1000/s", "of a bare loop"): ours[name] / bare[name] for name in ours}
    return {**ours, **shares}


DISK_MIB = 64
DISK_TENTHS = "8"       # of a second, each phase
# Of QEMU 7.2's cache modes: the default one, and the one meant for disks, by the ring and by Linux AIO.
CACHED = ""
DIRECT_RING = ",cache.direct=on,aio=io_uring"
DIRECT_NATIVE = ",cache.direct=on,aio=native"


def cpu_seconds(pid):
    """CPU time of a running process, threads that ended included: the clock of clock_getcpuclockid(3)."""
    return time.clock_gettime(~pid << 3 | 2)


def phases(process):
    """The phases of the guest micro/blk.c as it goes through them: name, requests, us, CPU us."""
    cpu = 0
    for line in process.stdout:
        found = re.match(r"BLK (begin|end) ([\w ]+)(?:: (\d+) in (\d+) us, (\d+) us aside)?\s*$", line)
        if not found:
            raise SystemExit(f"{process.args[0]}: the guest said {line!r}")
        if found[1] == "begin":
            cpu = cpu_seconds(process.pid)
            process.stdin.write(DISK_TENTHS)
            process.stdin.flush()
        else:
            requests, wall, aside = (int(found[i]) for i in (3, 4, 5))
            yield found[2], requests, wall, (cpu_seconds(process.pid) - cpu) * 1e6 - aside


def run_disk(binary, guests, where, options, device):
    """Requests a second and CPU time of one, of each phase, on a new file in @where."""
    with tempfile.NamedTemporaryFile(dir=where, prefix="rhea-bench-") as image:
        for _ in range(DISK_MIB):       # blocks that were written: else the file system's journal is what is measured
            image.write(b"\xa5" * (1 << 20))
        image.flush()
        os.fsync(image.fileno())
        argv = [binary, "-accel", "kvm", "-M", "q35", "-cpu", "host", "-m", str(RAM_MIB), "-nodefaults",
                "-no-user-config", "-display", "none", "-net", "none", *DEBUG_EXIT, "-serial", "stdio",
                "-bios", str(guests / "micro/blk.rom"), "-object", "iothread,id=io0",
                "-blockdev", f"driver=file,node-name=d0,filename={image.name}{options}", "-device",
                f"virtio-blk-pci,drive=d0,queue-size=1024,num-queues=1,disable-legacy=on{device}"]
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        seen = {}
        for name, requests, wall, cpu in phases(process):
            seen[f"{name}, 1000/s"] = requests * 1e3 / wall
            seen[f"{name}, CPU us each"] = cpu / requests
        if process.wait() != PASSED:
            raise SystemExit(f"{binary}: exit status {process.returncode}, want {PASSED}")
    return seen


def disk(where, options):
    """Benches on files in @where: of the main loop, and of an IOThread."""
    return (lambda binary, guests: run_disk(binary, guests, where, options, ""),
            lambda binary, guests: run_disk(binary, guests, where, options, ",iothread=io0"))


BENCHES = {"start": (start, 11), "memory": (memory, 3), "exits": (exits, 5)}
for bench_name, functions in {"blk-tmpfs": disk("/dev/shm", CACHED), "blk-disk": disk("/var/tmp", DIRECT_RING),
                              "blk-disk-native": disk("/var/tmp", DIRECT_NATIVE)}.items():
    BENCHES[bench_name] = (functions[0], 3)
    BENCHES[bench_name + "-iothread"] = (functions[1], 3)


def compare(name, rounds, arguments):
    function, usual = BENCHES[name]
    samples = {arguments.binary: [], arguments.peer: []}
    for binary in samples:
        function(binary, arguments.guests)      # warms the page cache
    for _ in range(rounds or usual):
        for binary, seen in samples.items():
            seen.append(function(binary, arguments.guests))
    print(f"-- {name}")
    for key in samples[arguments.binary][0]:
        ours, peer = (statistics.median(s[key] for s in seen) for seen in samples.values())
        print(f"{key:42} {ours:10.2f} {peer:10.2f} {ours / peer if peer else float('nan'):8.2f}",
              flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", default=os.environ.get("RHEA_BINARY"), required=False)
    parser.add_argument("--peer", default="/usr/bin/qemu-system-x86_64")
    parser.add_argument("--guests", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--milliseconds", type=int, default=300, help="of each tcg loop")
    parser.add_argument("--only", nargs="*", metavar="LOOP", help="of the tcg loops")
    parser.add_argument("names", nargs="*", choices=[*BENCHES, *tcg.BENCHES, "tcg", []])
    arguments = parser.parse_args()
    names = [part for name in arguments.names for part in (tcg.BENCHES if name == "tcg" else [name])]
    for needed in (arguments.binary, arguments.peer):
        if not needed or not os.access(needed, os.X_OK):
            print(f"SKIP: no program at {needed}")
            return 77
    names_of_kvm = [name for name in names or BENCHES if name in BENCHES]
    if names_of_kvm and not os.access("/dev/kvm", os.R_OK | os.W_OK):
        print("SKIP: no usable /dev/kvm")
        return 77
    if arguments.binary == arguments.peer:
        arguments.peer = os.path.dirname(arguments.peer) + "/./" + os.path.basename(arguments.peer)
    if names_of_kvm:
        print(f"{'median of alternating runs':42} {'rhea':>10} {'peer':>10} {'ratio':>8}")
    for name in names_of_kvm:
        compare(name, arguments.rounds, arguments)
    for name in names:
        if name in tcg.BENCHES:
            tcg.bench(name, arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
