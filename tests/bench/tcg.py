"""The part of bench.py about `-accel tcg`: a stock kernel and guest-loops.c, next to the peer and to the host itself.

Speeds are by the CPU time that the whole process used while the guest waited for nothing else: the drivers of both
ends of a loop wait for each other, so other load on the machine does not count. The guest's clock is checked against
the clock outside.
"""

import math
import os
import re
import select
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/guest"))

import initramfs

RAM_MIB = 512
PATIENCE_S = 60         # for a line of a guest that ought to come within one
FRESH_SECONDS = 2
REWRITES = 5
SMALL_MIB = 8           # of translated code

GROUPS = {"integer": ("integer", "sort", "divide"), "memory": ("copy", "words", "stride", "random", "chase"),
          "calls": ("fib", "tak"), "indirect jumps": ("switch", "table", "virtual"),
          "floating point": ("double", "vector", "libm", "x87"),
          "system": ("getppid", "pipe", "switches", "fork", "mmap", "exec"), "compilers": ("tcc", "cc1")}
COMPUTING = ("integer", "memory", "calls", "indirect jumps")
# What the engine is meant to reach: (least ratio to the peer of each row, least geometric mean of the group).
GOALS = {**{group: (1, 2) for group in COMPUTING}, "floating point": (5, 5), "system": (1, 1.5), "compilers": (2, 2)}

BOOT_INIT = """#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
echo BOOT up
exec /bin/busybox sleep 1000
"""

# What the compilers get: a text of functions, not two alike.
FUNCTION = """
struct item_{n} {{ int kind; long weight; struct item_{n} *next; char name[{size}]; }};
static long limit_{n} = {n};
long visit_{n}(struct item_{n} *item, long budget, const unsigned char *text)
{{
    long sum = 0;
    int i, j;
    for (i = 0; item && i < {size}; i++, item = item->next) {{
        switch (item->kind) {{
        case {a}: sum += item->weight * {b}; break;
        case {a} + 1: sum ^= item->weight << {c}; break;
        case {a} + 2: for (j = 0; j < {size}; j++) sum += item->name[j] * (j + {b}); break;
        case {a} + 3: if (item->weight > limit_{n}) {{ limit_{n} = item->weight; }} else {{ budget--; }} break;
        default: while (*text && budget-- > 0) sum = sum * 31 + *text++;
        }}
        if (sum > budget && (sum & {b}) != {c}) sum -= limit_{n} / {b};
    }}
    return sum + (budget ? visit_{n}(item, budget / 2, text) : limit_{n});
}}
"""


def source(functions):
    return "".join(FUNCTION.format(n=n, size=n % 29 + 3, a=n % 13, b=n % 17 + 2, c=n % 7 + 1) for n in range(functions))


class Broken(Exception):
    """A run that did not do what it should: what it said last."""


class Session:
    """A process whose lines are waited for; ended with the block."""

    def __init__(self, argv, cwd=None):
        self.process = subprocess.Popen(argv, cwd=cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, bufsize=0)
        self.seen = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def cpu(self):
        return time.clock_gettime(~self.process.pid << 3 | 2)

    def expect(self, pattern, seconds=PATIENCE_S):
        """The match of @pattern in what the process says within @seconds."""
        until = time.monotonic() + seconds
        while True:
            found = re.search(pattern, self.seen)
            if found:
                self.seen = self.seen[found.end():]
                return found
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, until - time.monotonic()))
            data = os.read(self.process.stdout.fileno(), 4096) if ready else b""
            if not data:
                why = "ended" if ready else "said nothing for long"
                raise Broken(f"{why}; its last words: {self.seen[-200:].decode(errors='replace').strip()!r}")
            self.seen += data
            if b"LOOP failed" in self.seen:
                raise Broken(self.seen[-200:].decode(errors="replace").strip())

    def answer(self):
        try:
            self.process.stdin.write(b"\n")
        except BrokenPipeError:
            raise Broken("ended") from None


class Guest:
    """The kernel, the files of the initramfs, and the same files for the native runs."""

    def __init__(self, guests, work):
        self.work = Path(work)
        self.kernel = subprocess.run([ROOT / "scripts/stock-guest", "cloud-kernel"], check=True, text=True,
                                     stdout=subprocess.PIPE).stdout.strip()
        self.loops = (guests.parent / "bench/guest-loops").resolve()
        self.write("boot-init", BOOT_INIT)
        self.write("source.c", source(800))
        self.write("part.c", source(4))
        (self.work / "tmp").mkdir()
        (self.work / "usr/bin").mkdir(parents=True)
        self.boot_initrd = self.pack("boot.cpio", [f"init={self.work}/boot-init", "bin/busybox=/bin/busybox", "proc/"])
        entries = [f"init={self.loops}", *(f"{name}={self.work}/{name}:644" for name in ("source.c", "part.c"))]
        for name, path in (("tcc", "/usr/bin/tcc"), ("cc1", self.cc1())):
            entries += [f"usr/bin/{name}={path}", *(f"{library}={library}" for library in libraries(path))]
            (self.work / "usr/bin" / name).symlink_to(path)
        self.loops_initrd = self.pack("loops.cpio", entries)

    def write(self, name, text):
        (self.work / name).write_text(text, encoding="utf-8")

    def pack(self, name, entries):
        (self.work / name).write_bytes(initramfs.build(entries))
        return str(self.work / name)

    @staticmethod
    def cc1():
        return subprocess.run(["gcc", "-print-prog-name=cc1"], check=True, text=True, stdout=subprocess.PIPE).stdout.strip()

    def argv(self, binary, initrd, words="", accel=""):
        return [binary, "-accel", "tcg" + accel, "-M", "q35", "-cpu", "max", "-m", str(RAM_MIB), "-nodefaults",
                "-no-user-config", "-display", "none", "-serial", "stdio", "-no-reboot", "-kernel", self.kernel,
                "-initrd", initrd, "-append", f"console=ttyS0 quiet panic=-1 {words}"]

    def loops_argv(self, binary, milliseconds, names, accel=""):
        return self.argv(binary, self.loops_initrd, f"-- {milliseconds} {' '.join(names)}", accel)


def libraries(path):
    """The shared objects of a program, the loader included."""
    said = subprocess.run(["ldd", path], check=True, text=True, stdout=subprocess.PIPE).stdout
    return re.findall(r"(/\S+) \(0x", said)


def boot(binary, guest):
    with Session(guest.argv(binary, guest.boot_initrd)) as session:
        began = time.perf_counter()
        session.expect(rb"BOOT up")
        return time.perf_counter() - began, session.cpu()


END = rb"LOOP end (\w+): (\d+) in (\d+) us, (\d+) us, checksum (\w+)\s"


def one_loop(session, is_native):
    """Name, operations a second of CPU time, checksum of the next loop of @session."""
    session.expect(rb"LOOP begin (\w+)")
    cpu, wall = session.cpu(), time.perf_counter()
    session.answer()
    name, operations, inside, own, checksum = (part.decode() for part in session.expect(END).groups())
    wall = (time.perf_counter() - wall) * 1e6
    cpu = int(own) / 1e6 if is_native else session.cpu() - cpu
    if abs(wall - int(inside)) > wall / 10 + 30e3:
        print(f"note: {name}: {int(inside)} us by the guest's clock were {wall:.0f} us")
    return name, int(operations) / cpu, checksum


def loops(binary, guest, milliseconds, names):
    """{name: (rate, checksum)} of the loops; those that broke are missing, and are reported."""
    left = list(names)
    seen = {}
    while left:
        argv = guest.loops_argv(binary, milliseconds, left) if binary else [guest.loops, str(milliseconds), *left]
        with Session(argv, None if binary else guest.work) as session:
            try:
                while left:
                    name, rate, checksum = one_loop(session, not binary)
                    seen[name] = rate, checksum
                    left.remove(name)
            except Broken as broken:
                print(f"{binary or 'host'}: {left[0]} {broken}", flush=True)
                left.pop(0)
    return seen


def geometric(values):
    return math.exp(statistics.fmean(math.log(value) for value in values)) if values else math.nan


def number(value):
    return f"{value:12.4g}" if value < 1e4 else f"{value:12.0f}"


def say(name, rates, goal):
    """One row; returns its ratios, to the peer and of the host."""
    ours, peer, host = rates
    text = " ".join(number(rate) if rate else f"{'-':>12}" for rate in rates)
    if not (ours and peer and host):
        print(f"{name:18} {text} {'broken':>8}", flush=True)
        return None
    print(f"{name:18} {text} {ours / peer:8.2f} {host / ours:8.2f} {peer and host / peer:8.2f}  "
          f"{'' if ours / peer >= goal else 'below'} {goal:g}", flush=True)
    return ours / peer, host / ours, host / peer


def mean_row(name, ratios, goal):
    means = [geometric(column) for column in zip(*ratios)] or [math.nan] * 3
    print(f"{'= ' + name:18} {'':38} {means[0]:8.2f} {means[1]:8.2f} {means[2]:8.2f}  "
          f"{'' if means[0] >= goal else 'below'} {goal:g}", flush=True)


def compare_loops(arguments, guest, groups):
    names = [name for group in groups for name in GROUPS[group]]
    if arguments.only:
        names = [name for name in names if name in arguments.only]
    runs = {binary: [] for binary in (arguments.binary, arguments.peer, None)}
    for _ in range(arguments.rounds or 3):
        for binary, seen in runs.items():
            seen.append(loops(binary, guest, arguments.milliseconds, names))
    print(f"{'operations/CPU s':18} {'rhea':>12} {'peer':>12} {'host':>12} {'rhea:peer':>8} {'host:rhea':>8} "
          f"{'host:peer':>8}  goal")
    computing = []
    for group in groups:
        ratios = []
        for name in (name for name in GROUPS[group] if name in names):
            rates = [statistics.median(run[name][0] for run in seen if name in run)
                     if any(name in run for run in seen) else 0 for seen in runs.values()]
            sums = {run[name][1] for seen in runs.values() for run in seen if name in run}
            if len(sums) > 1:
                print(f"{name}: results differ: {' '.join(sorted(sums))}")
            row = say(name, rates, GOALS[group][0])
            ratios += [row] if row else []
        mean_row(group, ratios, GOALS[group][1])
        computing += ratios if group in COMPUTING else []
    if computing:
        mean_row("all four of these", computing, 2)


def loop_bench(arguments, guest):
    compare_loops(arguments, guest, [*COMPUTING, "floating point"])


def system_bench(arguments, guest):
    compare_loops(arguments, guest, ["system", "compilers"])


def boot_bench(arguments, guest):
    samples = {arguments.binary: [], arguments.peer: []}
    for _ in range(arguments.rounds or 3):
        for binary, seen in samples.items():
            try:
                seen.append(boot(binary, guest))
            except Broken as broken:
                print(f"{binary}: {broken}")
    if not all(samples.values()):
        return
    print(f"{'boot, seconds':18} {'rhea':>12} {'peer':>12} {'rhea:peer':>8}   goal: at most 1, better half")
    for at, name in enumerate(("wall", "CPU")):
        ours, peer = (statistics.median(pair[at] for pair in seen) for seen in samples.values())
        print(f"{name:18} {ours:12.2f} {peer:12.2f} {ours / peer:8.2f}", flush=True)


def beyond_ram_mib(pid):
    """Memory of a process without guest RAM, which is the one mapping of just that size; shared pages count once."""
    total = size = 0
    for line in Path(f"/proc/{pid}/smaps").read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition(":")
        if key == "Size":
            size = int(value.split()[0])
        elif key == "Pss" and size != RAM_MIB << 10:
            total += int(value.split()[0])
    return total / 1024


def code_memory(binary, guest, accel):
    """What a guest costs beyond its RAM after each of some loops of new code, and their rates."""
    mib, rates = [], []
    names = ["fresh", "fresh", *["rewrite"] * REWRITES]
    with Session(guest.loops_argv(binary, FRESH_SECONDS * 1000, names, accel)) as session:
        for _ in names:
            rates.append(one_loop(session, False)[1])
            mib.append(beyond_ram_mib(session.process.pid))
    return mib, rates


def memory_bench(arguments, guest):
    print(f"{'new code for ever':20} {'MiB beyond guest RAM':>24} {'new functions/CPU s':>24}   rewrites/CPU s")
    print(f"{'(tb-size)':20} {'2 s':>8}{'4 s':>8}{'14 s':>8}")
    for whose, binary in (("rhea", arguments.binary), ("peer", arguments.peer)):
        for accel in ("", f",tb-size={SMALL_MIB}"):
            try:
                mib, rates = code_memory(binary, guest, accel)
            except Broken as broken:
                print(f"{binary}{accel}: {broken}")
                continue
            print(f"{whose + accel:20} {mib[0]:8.0f}{mib[1]:8.0f}{mib[-1]:8.0f} {rates[0]:12.0f}{rates[1]:12.0f}  "
                  + "".join(f" {rate:8.0f}" for rate in rates[2:]), flush=True)


BENCHES = {"tcg-boot": boot_bench, "tcg-loops": loop_bench, "tcg-system": system_bench, "tcg-memory": memory_bench}


def bench(name, arguments):
    with tempfile.TemporaryDirectory(prefix="rhea-bench-") as work:
        BENCHES[name](arguments, Guest(arguments.guests, work))
