#!/usr/bin/env python3
"""The configure script: what it makes of its options, by a meson that tells how it was called, and once the real one."""
import os
import subprocess
from pathlib import Path

from program import SECONDS, Skip, case, main

CONFIGURE = Path(__file__).resolve().parents[2] / "configure"

# Option -> words of meson's call.
GOOD = [
    ("", "setup", "--prefix=/usr/local", "-Doptimization=2", "-Ddebug=true", "-Db_sanitize=none", "-Dio_uring=auto", "CC=unset"),
    ("--prefix=/opt/rhea", "--prefix=/opt/rhea", "--bindir=bin"),
    ("--bindir=/opt/my-bin", "--bindir=/opt/my-bin"),
    ("--cc=clang", "CC=clang"),
    ("--enable-debug", "-Doptimization=0", "-Ddebug=true"),
    ("--disable-debug-info", "-Ddebug=false", "-Doptimization=2"),
    ("--enable-sanitizers", "-Db_sanitize=address,undefined", "-Db_lundef=false"),
    ("--enable-tsan", "-Db_sanitize=thread"),
    ("--enable-sanitizers --disable-sanitizers", "-Db_sanitize=none", "-Db_lundef=true"),
    ("--enable-lto", "-Db_lto=true"),
    ("--enable-gcov", "-Db_coverage=true"),
    ("--enable-fuzzing", "-Dfuzzers=true"),
    ("--enable-werror", "-Dwerror=true"),
    ("--disable-linux-io-uring", "-Dio_uring=disabled"),
    ("--extra-cflags=-DA=1 --extra-cflags=-DB", "-Dc_args=-DA=1 -DB"),
    ("--extra-ldflags=-Wl,-z,now", "-Dc_link_args=-Wl,-z,now"),
    ("--firmwarepath=/a:/b", "-Dfirmware_path=/a:/b"),
    ("--target-list=x86_64-softmmu --enable-kvm --disable-gtk --disable-docs", "setup"),
]
# Option -> words of the error.
BAD = [
    ("--nosuch", "unknown option '--nosuch'", "--help"),
    ("nosuch", "unknown option 'nosuch'"),
    ("--enable-nosuch", "unknown option '--enable-nosuch'"),
    ("--disable-nosuch=1", "unknown option '--disable-nosuch=1'"),
    ("--enable-gtk", "'gtk' is not part of this program, or not yet"),
    ("--disable-kvm", "'kvm' is always part of this program"),
    ("--target-list=x86_64-softmmu,arm-softmmu", "unknown target 'arm-softmmu'", "x86_64-softmmu"),
    ("--prefix", "'--prefix' needs a value"),
    ("--prefix=", "'--prefix' needs a value"),
    ("--prefix=here", "--prefix is 'here'", "absolute"),
    ("--enable-tsan --enable-sanitizers", "exclude each other"),
    ("--meson=/nosuch/meson", "no program '/nosuch/meson'"),
]


def configure(folder, *args, **how):
    env = {name: value for name, value in os.environ.items() if name not in ("CC", "CFLAGS", "LDFLAGS")}
    return subprocess.run([CONFIGURE, *args], cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=SECONDS * 6, check=False, **how)


def fake_meson(folder, status=0):
    path = folder / "meson"
    path.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" "CC=${{CC-unset}}"\nexit {status}\n')
    path.chmod(0o755)
    return f"--meson={path}"


@case
def options_become_mesons(folder):
    meson = fake_meson(folder)
    for line, *wanted in GOOD:
        done = configure(folder, meson, *line.split())
        assert done.returncode == 0, (line, done.stderr)
        said = done.stdout.splitlines()
        for word in wanted:
            assert word in said, (line, word, said)
        assert "Next: 'ninja' builds" in done.stdout, done.stdout


@case
def values_keep_their_spaces(folder):
    done = configure(folder, fake_meson(folder), "--prefix=/opt/my rhea", "--cc=ccache gcc", "--extra-cflags=-O1 -g")
    said = done.stdout.splitlines()
    for word in ("--prefix=/opt/my rhea", "CC=ccache gcc", "-Dc_args=-O1 -g"):
        assert word in said, said


@case
def errors_name_the_option(folder):
    meson = fake_meson(folder)
    for line, *wanted in BAD:
        done = configure(folder, meson, *line.split())
        assert done.returncode == 1 and done.stdout == "", (line, done)
        for word in wanted:
            assert word in done.stderr, (line, word, done.stderr)


@case
def a_failing_meson_fails_it(folder):
    done = configure(folder, fake_meson(folder, status=3))
    assert done.returncode == 1 and "meson-log.txt" in done.stderr, done
    assert "Next" not in done.stdout


@case
def help_lists_every_option(folder):
    done = configure(folder, "--help")
    assert done.returncode == 0 and done.stderr == ""
    for line, *_ in GOOD:
        for option in line.split():
            name = option.split("=")[0].replace("--disable-", "--enable-")
            assert name in done.stdout or name in ("--enable-gtk", "--enable-docs"), name


@case
def a_second_run_starts_afresh(folder):
    """The real meson, twice in one directory: what the first run said does not stay."""
    if not Path("/usr/bin/meson").exists():
        raise Skip("no /usr/bin/meson")
    done = configure(folder, "--prefix=/opt/one", "--enable-debug", "--enable-werror")
    assert done.returncode == 0, done.stdout + done.stderr
    done = configure(folder, "--prefix=/opt/two")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (folder / "build.ninja").exists()
    said = subprocess.run(["/usr/bin/meson", "introspect", "--buildoptions", str(folder)], stdout=subprocess.PIPE, text=True,
                          env={**os.environ, "PATH": "/usr/bin:" + os.environ["PATH"]}, check=True).stdout
    for wanted in ('"value": "/opt/two"', '"optimization", "value": "2"', '"werror", "value": false'):
        assert wanted in said, wanted


main()
