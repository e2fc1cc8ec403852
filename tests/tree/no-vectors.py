#!/usr/bin/env python3
"""
Objects that run while the guest's vector registers are in the host's (docs/engine.md, "Vector state") use none,
and call nothing of libc, whose string functions do: no-vectors.py BUILD
"""
import pathlib
import re
import subprocess
import sys

# Called only with the guest's registers saved, or from set-up: file -> names.
ALLOWED = {
    "codepages": {"g_free", "g_malloc0", "mmap64", "munmap", "sched_yield"},
    "decode": {"g_assertion_message_expr"},
    "interp-muldiv": {"__divti3"},                                          # of libgcc: general registers alone
    "interp-operand": {"pthread_mutex_lock", "pthread_mutex_unlock"},       # a word and a system call
    "interp-system": {"getrandom"},
    "mmu": {"urcu_memb_read_lock", "urcu_memb_read_unlock"},
    "state": {"__errno_location", "mmap64", "munmap", "memset", "memcpy"},
}
VECTOR = re.compile(r"%[xyz]mm|%st\b|%mm[0-7]")


def output_of(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def complaints(path):
    name = path.name.split(".")[0]
    for line in output_of("objdump", "-d", "--no-show-raw-insn", str(path)).splitlines():
        if VECTOR.search(line):
            yield f"{name}: vector register: {line.strip()}"
    for line in output_of("nm", "--undefined-only", "--format=posix", str(path)).splitlines():
        symbol = line.split()[0]
        if not symbol.startswith(("rh_", "_GLOBAL_OFFSET_TABLE_")) and symbol not in ALLOWED.get(name, ()):
            yield f"{name}: calls {symbol}, which may use vector registers"


def main():
    objects = sorted(pathlib.Path(sys.argv[1]).glob("*/**/librhea-tcg-*.a.p/*.o"))
    if not objects:
        print("no objects: not a build for x86-64")
        return 77
    found = [text for path in objects for text in complaints(path)]
    print("\n".join(found) if found else f"{len(objects)} objects without vector registers")
    return 1 if found else 0


sys.exit(main())
