"""What the client tests share: starting the program, talking QMP to it, and knowing that nothing stays behind.

The environment names the program: RHEA_BINARY. A test file holds functions marked with @case and ends with main();
it runs all of them, or those named as arguments, and prints TAP.
"""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

BINARY = os.environ.get("RHEA_BINARY", "qemu-system-x86_64")
SCALE = float(os.environ.get("RHEA_TIMEOUT_SCALE", "1"))
SECONDS = 20 * SCALE
QUIET = ["-nodefaults", "-display", "none"]

_cases = []


class Skip(Exception):
    """What the case needs is not there."""


def case(function):
    _cases.append(function)
    return function


def run(*args, seconds=SECONDS, text=None, **how):
    """The finished process of the program with these arguments; a time-out is a failure that kills it."""
    return subprocess.run([BINARY, *args], input=text or "", stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=seconds, check=False, **how)


def wait_until(what, true, seconds=SECONDS):
    """Look again and again until true() holds; for what no descriptor announces (a file, another process)."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not after {seconds} s")
        time.sleep(0.01)


class Program:
    """A running program, ended with the block."""

    def __init__(self, *args, **how):
        self.process = subprocess.Popen([BINARY, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, **how)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def end(self, seconds=SECONDS):
        """(exit status, standard error), once it has ended by itself."""
        _, stderr = self.process.communicate(timeout=seconds)
        return self.process.returncode, stderr

    def terminate(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        return self.end()


class Qmp:
    """One QMP connection."""

    def __init__(self, path, negotiate=True):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(SECONDS)
        wait_until(f"connect to {path}", lambda: self._connect(path))
        self.reader = self.socket.makefile("r", encoding="utf-8", newline="\n")
        self.events = []
        self.greeting = self.read()
        if negotiate:
            assert self.ask("qmp_capabilities") == {}

    def _connect(self, path):
        try:
            self.socket.connect(str(path))
            return True
        except (FileNotFoundError, ConnectionRefusedError):
            return False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.reader.close()
        self.socket.close()

    def read(self):
        """The next message; None at the end of the connection."""
        line = self.reader.readline()
        return json.loads(line) if line else None

    def send(self, text, fds=()):
        data = text.encode()
        if fds:
            socket.send_fds(self.socket, [data], fds)
        else:
            self.socket.sendall(data)

    def reply(self):
        """The next message that is no event; events are kept in order."""
        while True:
            message = self.read()
            if message is None or "event" not in message:
                return message
            self.events.append(message)

    def raw(self, name, fds=(), **arguments):
        command = {"execute": name, "id": f"test-{name}"}
        if arguments:
            command["arguments"] = {key.replace("_", "-"): value for key, value in arguments.items()}
        self.send(json.dumps(command) + "\n", fds)
        answer = self.reply()
        assert answer and answer.pop("id") == f"test-{name}", answer
        return answer

    def ask(self, name, **arguments):
        answer = self.raw(name, **arguments)
        assert "return" in answer, (name, answer)
        return answer["return"]

    def refuse(self, name, **arguments):
        """The error of a command that must fail."""
        answer = self.raw(name, **arguments)
        assert "error" in answer, (name, answer)
        return answer["error"]

    def event(self, name):
        """The next event @name; whatever events come before it are passed over."""
        while True:
            while self.events:
                event = self.events.pop(0)
                if event["event"] == name:
                    return event
            message = self.read()
            assert message and "event" in message, (name, message)
            self.events.append(message)


def main():
    wanted = sys.argv[1:]
    failed = 0
    print(f"1..{len(_cases)}", flush=True)
    for number, function in enumerate(_cases, 1):
        name = function.__name__.replace("_", "-")
        if wanted and name not in wanted:
            print(f"ok {number} {name} # SKIP not asked for", flush=True)
            continue
        folder = Path(tempfile.mkdtemp(prefix="rhea-"))
        try:
            function(folder)
            print(f"ok {number} {name}", flush=True)
        except Skip as reason:
            print(f"ok {number} {name} # SKIP {reason}", flush=True)
        except Exception:   # pylint: disable=broad-except
            failed += 1
            print("\n".join("# " + line for line in traceback.format_exc().splitlines()))
            print(f"not ok {number} {name}", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(1 if failed else 0)
