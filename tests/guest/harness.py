"""Starts a machine, talks with its guest over the serial line, and judges how it ended.

A test file holds functions marked with @case and ends with `harness.main()`. It runs as

    python3 test_x.py [CASE...]     (all cases, if none is named)
    python3 test_x.py --list

The environment says what to test and with what; meson sets all of it:

    RHEA_BINARY    the program under test (any that takes qemu's command line)
    RHEA_GUESTS    build/tests/guest, where the guests are
    RHEA_ACCEL     kvm (default) or tcg: what runs the guests
    RHEA_TIMEOUT_SCALE   multiplies every deadline (default 1)

Exit status 77 means skipped; the reason is printed as "SKIP: ...".
"""

import functools
import json
import os
import re
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
GUESTS = Path(os.environ.get("RHEA_GUESTS", SOURCE / "build/tests/guest"))
BINARY = os.environ.get("RHEA_BINARY", "/usr/bin/qemu-system-x86_64")
ACCEL = os.environ.get("RHEA_ACCEL", "kvm")
SCALE = float(os.environ.get("RHEA_TIMEOUT_SCALE", "1"))
LOGS = GUESTS / "logs" / ACCEL
EXIT_SKIP = 77
os.environ["PATH"] += ":/usr/sbin:/sbin"

_cases = {}


class Skip(Exception):
    """What the test needs is not there."""


class Failure(Exception):
    """The machine did not do what it should."""


def case(function):
    """Marks a function as a test case under its own name, underlines written as dashes."""
    add_case(function.__name__.replace("_", "-"), function)
    return function


def add_case(name, function):
    """The same for a case that comes out of a table."""
    _cases[name] = function


# --- what a test may need


@functools.lru_cache
def kvm_kind():
    """none, interpreted or full, as tests/guest/kvm-probe.c finds."""
    probe = subprocess.run([GUESTS / "kvm-probe"], capture_output=True, text=True, check=True)
    return probe.stdout.strip()


def need_kvm():
    if kvm_kind() == "none":
        raise Skip("no usable /dev/kvm")


def accel():
    """The options that choose what runs the guest; skips where that is KVM and there is none."""
    if ACCEL == "kvm":
        need_kvm()
        return ("-accel", "kvm", "-cpu", "host")
    return ("-accel", ACCEL, "-cpu", "max")


def need_any_code(what):
    """Skips where the accelerator is a KVM that lacks instructions of stock kernels and firmware."""
    if ACCEL == "kvm":
        need_kvm()
        if kvm_kind() != "full":
            raise Skip(f"{what} needs a KVM on VMX or SVM; this one interprets guest kernel code")


def need_program(name):
    if not shutil.which(name):
        raise Skip(f"{name} is not installed")


def test_kernel(form="vmlinux"):
    """Path of the test kernel, as vmlinux or bzImage."""
    found = subprocess.run([SOURCE / "scripts/test-kernel", "--cached"], capture_output=True,
                           text=True, check=False)
    if found.returncode != 0:
        raise Skip("the test kernel is not built; scripts/test-kernel does")
    return Path(found.stdout.strip()).parent / form


def stock_guest(what):
    """Path of an unmodified guest, as scripts/stock-guest knows it."""
    need_any_code(what)
    found = subprocess.run([SOURCE / "scripts/stock-guest", "--cached", what], capture_output=True,
                           text=True, check=False)
    if found.returncode != 0:
        raise Skip(f"{what} is not there; 'scripts/stock-guest {what}' fetches it")
    return Path(found.stdout.strip())


# --- disks


def make_ext4(path, mib=16):
    with open(path, "wb") as image:
        image.truncate(mib << 20)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", path], check=True)


def check_ext4(path):
    """Fails unless e2fsck finds nothing at all."""
    check = subprocess.run(["e2fsck", "-fn", path], capture_output=True, text=True, check=False)
    if check.returncode != 0:
        raise Failure(f"e2fsck -fn: status {check.returncode}\n{check.stdout}{check.stderr}")


# --- the machine


class Qmp:
    """A QMP client on a unix socket."""

    def __init__(self, path, deadline=10):
        end = time.monotonic() + deadline * SCALE
        self.socket = socket.socket(socket.AF_UNIX)
        while True:
            try:
                self.socket.connect(str(path))
                break
            except OSError as error:
                if time.monotonic() > end:
                    raise Failure(f"no QMP socket at {path}: {error}") from error
                time.sleep(0.01)
        self.socket.settimeout(deadline * SCALE)
        self.lines = self.socket.makefile("r", encoding="utf-8")
        self.events = []
        self.greeting = self.read()
        if "QMP" not in self.greeting:
            raise Failure(f"no QMP greeting but {self.greeting}")
        self.run("qmp_capabilities")

    def read(self):
        line = self.lines.readline()
        if not line:
            raise Failure("the QMP connection was closed")
        return json.loads(line)

    def run(self, command, **arguments):
        """The command's return value; its error is a Failure."""
        request = {"execute": command, "arguments": arguments}
        self.socket.sendall(json.dumps(request).encode() + b"\n")
        while True:
            answer = self.read()
            if "event" in answer:
                self.events.append(answer)
            elif "error" in answer:
                raise Failure(f"{command}: {answer['error']}")
            else:
                return answer["return"]

    def event(self, name):
        """The next event of that name, waited for."""
        while True:
            for i, event in enumerate(self.events):
                if event["event"] == name:
                    return self.events.pop(i)
            answer = self.read()
            if "event" in answer:
                self.events.append(answer)


class Machine:
    """One run of the program: its serial line on stdin and stdout, QMP where asked for.

    Use it in a with statement: leaving it ends the process, whatever happened.
    """

    def __init__(self, *arguments, qmp=False, serial=True, name="machine"):
        self.dir = Path(tempfile.mkdtemp(prefix="rhea-"))
        self.qmp_path = self.dir / "qmp"
        self.argv = [BINARY, *map(str, arguments), "-nodefaults", "-display", "none"]
        if serial:
            self.argv += ["-serial", "stdio"]
        if qmp:
            self.argv += ["-qmp", f"unix:{self.qmp_path},server=on,wait=off"]
        LOGS.mkdir(parents=True, exist_ok=True)
        self.log = open(LOGS / f"{name}.log", "wb")
        self.stderr = open(LOGS / f"{name}.stderr", "w+b")
        self.log.write((" ".join(self.argv) + "\n").encode())
        self.log.flush()
        self.text = ""
        self.position = 0
        self.eof = False
        self.process = subprocess.Popen(self.argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self.stderr)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stdin.close()
        if exception[0] and exception[0] is not Skip:
            self.tell()
        self.log.close()
        self.stderr.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def tell(self):
        """What a reader of a failure wants to see first."""
        print("command:", " ".join(self.argv))
        print("--- last lines of the serial line")
        print("\n".join(self.text.splitlines()[-30:]))
        print("--- standard error")
        print(self.errors()[-4000:])

    def errors(self):
        self.stderr.seek(0)
        return self.stderr.read().decode(errors="replace")

    def qmp(self):
        return Qmp(self.qmp_path)

    def pump(self, end):
        """Reads what there is, waiting until the moment end at most; False at end of file."""
        left = end - time.monotonic()
        if self.eof or left <= 0:
            return False
        if select.select([self.process.stdout], [], [], left)[0]:
            data = os.read(self.process.stdout.fileno(), 65536)
            self.eof = not data
            self.text += data.decode(errors="replace").replace("\r", "")
            self.log.write(data)
            self.log.flush()
        return not self.eof

    def expect(self, pattern, seconds=60):
        """Waits for a line or part of one; returns the match. What came before it is done with."""
        end = time.monotonic() + seconds * SCALE
        while True:
            match = re.compile(pattern, re.M).search(self.text, self.position)
            if match:
                self.position = match.end()
                return match
            if not self.pump(end):
                why = "the program ended" if self.eof else f"{seconds} s went by"
                raise Failure(f"{why} before {pattern!r} appeared on the serial line")

    def send(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def wait(self, status=0, seconds=60):
        """Waits for the program to end, and with that exit status."""
        end = time.monotonic() + seconds * SCALE
        while self.pump(end):
            pass
        try:
            have = self.process.wait(max(0.1, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise Failure(f"still running after {seconds} s") from None
        if have != status:
            raise Failure(f"exit status {have}, want {status}")
        if "Sanitizer" in self.errors():
            raise Failure("a sanitizer spoke up")


def linux(*arguments, tests, end="acpi", append="", memory=64,
          kernel="vmlinux", **keywords):
    """A Machine with the test kernel; tests are names as tests/guest/init/init.c knows them."""
    command = f"quiet console=ttyS0 {append} rhea.test={','.join(tests)} rhea.end={end}"
    return Machine(*accel(), "-m", str(memory), "-no-reboot",
                   "-kernel", test_kernel(kernel), "-initrd", GUESTS / "init/initramfs.cpio",
                   "-append", command, *arguments, **keywords)


def expect_tests(machine, tests, seconds=150):
    """Waits until init is done; fails unless it ran exactly these tests and all were ok."""
    start = machine.position
    machine.expect("^RHEA-INIT done", seconds)
    lines = re.findall(r"^RHEA-TEST ([^:\s]+).*$", machine.text[start:], re.M)
    bad = re.findall(r"^RHEA-TEST (?![^:\s]+: ok).*$", machine.text[start:], re.M)
    wanted = [t.partition(":")[0] for t in tests]
    if bad:
        raise Failure("; ".join(bad))
    if lines != wanted:
        raise Failure(f"init ran {lines}, want {wanted}")


# --- running cases


def run_case(name):
    """0, 1 or EXIT_SKIP."""
    began = time.monotonic()
    try:
        _cases[name]()
    except Skip as reason:
        print(f"SKIP: {reason}")
        return EXIT_SKIP
    except Failure as failure:
        print(f"FAIL {name}: {failure}")
        return 1
    except Exception:  # a fault of the test itself is a failure too
        traceback.print_exc()
        return 1
    print(f"ok {name} ({time.monotonic() - began:.1f} s)")
    return 0


def main():
    names = sys.argv[1:] or list(_cases)
    if names == ["--list"]:
        print("\n".join(_cases))
        sys.exit(0)
    unknown = [n for n in names if n not in _cases]
    if unknown:
        sys.exit(f"no case {unknown[0]}; there are {' '.join(_cases)}")
    results = [run_case(name) for name in names]
    sys.exit(1 if 1 in results else EXIT_SKIP if set(results) == {EXIT_SKIP} else 0)
