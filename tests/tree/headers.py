#!/usr/bin/python3
"""Checks that every header compiles alone, with the flags that the build gives its own sources.

    headers.py ROOT BUILD      headers of include/ and private ones
"""

import json
import os
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

NOT_OURS = ("tests", "docs", "scripts")
# Included before everything by the build itself; it has nothing to stand on.
EXEMPT = ("include/util/poison.h",)


def flags_of_library(build):
    """Compiler and flags of one source of the library, without what names its input and output."""
    commands = json.loads((build / "compile_commands.json").read_text(encoding="utf-8"))
    entry = next((e for e in commands if e.get("output", "").startswith("librhea.a.p/")), None)
    if entry is None:
        raise SystemExit("compile_commands.json: no source of the library found")
    words = shlex.split(entry["command"])
    kept = []
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word in ("-o", "-MF", "-MQ", "-c"):
            skip = True
        elif word not in ("-MD", "-g"):
            kept.append(word)
    return kept


def compile_alone(header, root, build, flags):
    """Error output of compiling a file that includes nothing but header."""
    source = f'#include "{header}"\n'
    # Twice: the include guard works, and nothing is defined in it.
    run = subprocess.run([*flags, f"-I{root}", "-fsyntax-only", "-Werror", "-x", "c", "-"],
                         input=source + source, cwd=build, capture_output=True, text=True,
                         check=False)
    return run.stderr if run.returncode != 0 else None


def headers_of(root):
    for top in sorted(root.iterdir()):
        if top.is_dir() and top.name not in NOT_OURS and not top.name.startswith(("build", ".")):
            yield from sorted(p.relative_to(root).as_posix() for p in top.rglob("*.h"))


def main():
    root, build = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    flags = flags_of_library(build)
    headers = [h for h in headers_of(root) if h not in EXEMPT]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda h: compile_alone(h, root, build, flags), headers))
    bad = [(h, e) for h, e in zip(headers, results) if e]
    for header, error in bad:
        print(f"{header} does not compile alone:\n{error}")
    print(f"{len(headers)} headers, {len(bad)} do not compile alone")
    return 1 if bad or not headers else 0


if __name__ == "__main__":
    sys.exit(main())
