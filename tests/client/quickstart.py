#!/usr/bin/python3
"""scripts/quickstart as somebody new to it meets it: one command, and there is a shell of a stock Debian kernel."""
import os
import select
import subprocess
import time
from pathlib import Path

import program
from program import BINARY, SCALE, Skip, case, main

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
SHELL_SECONDS = 10      # what quickstart promises, from the end of the build to the prompt


def need_guest():
    """A test fetches nothing: what quickstart would install or download must be there."""
    for command in (["install-deps", "--check", "build", "firmware", "guest"], ["stock-guest", "--cached", "cloud-kernel"]):
        if subprocess.run([SCRIPTS / command[0], *command[1:]], capture_output=True, check=False).returncode != 0:
            raise Skip(f"scripts/{' '.join(command)} fails here")


def start(*options, **how):
    return subprocess.Popen([SCRIPTS / "quickstart", "--no-install", *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, env={**os.environ, "RHEA_BINARY": BINARY}, **how)


def read_until(process, text, seconds):
    """All output up to and with that text."""
    have, end = b"", time.monotonic() + seconds
    while text not in have:
        ready, _, _ = select.select([process.stdout], [], [], max(0, end - time.monotonic()))
        data = os.read(process.stdout.fileno(), 65536) if ready else b""
        assert data, f"no {text!r} in {seconds} s, but {have!r}"
        have += data
    return have


def cpu_seconds(pid):
    """What the script and the program it became have used: wall time would measure what else the host does."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK")


@case
def shell(folder):
    """To a shell in ten seconds; it works; the guest's end is the script's."""
    need_guest()
    with start() as process:
        try:
            read_until(process, b"== Booting", 60 * SCALE)
            read_until(process, b"rhea:/# ", 90 * SCALE)
            took = cpu_seconds(process.pid)
            process.stdin.write(b"echo $(uname -s) $((6 * 7)) $(nproc)\n")
            process.stdin.flush()
            read_until(process, b"Linux 42 2", 20 * SCALE)
            process.stdin.write(b"poweroff -f\n")
            process.stdin.flush()
            assert process.wait(20 * SCALE) == 0, process.returncode
        finally:
            process.kill()
    print(f"# a shell after {took:.1f} s of processor time", flush=True)
    assert took < SHELL_SECONDS * SCALE, f"the shell took {took:.1f} s"


@case
def command_line(folder):
    """--print says what would be run, and options of one's own stand behind it."""
    need_guest()
    with start("--print", "-name", "mine") as process:
        lines = process.communicate(timeout=60 * SCALE)[0].decode().splitlines()
    assert process.returncode == 0, lines
    assert lines[-1].startswith(f"{program.BINARY} -accel ") and lines[-1].endswith(" -name mine"), lines
    assert "-accel kvm -M q35 -cpu host" in lines[-1] or "-accel tcg -M q35 -cpu max" in lines[-1], lines


if __name__ == "__main__":
    main()
