#!/usr/bin/python3
"""Holds every #include of the tree against the floor table in docs/architecture.md.

A file may include headers of its own floor and of those below. A header outside include/ is private:
only files of its own room see it. Only accel/kvm and target/i386/kvm include <linux/kvm.h>.

    floors.py ROOT           check the tree
    floors.py --self-test    check that each rule can fail
"""

import re
import sys
import tempfile
from pathlib import Path

TABLE_ROW = re.compile(r"^\| *(\d+) *\|([^|]*)\|")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)
KVM_HEADERS = ("linux/kvm.h", "linux/kvm_para.h", "asm/kvm.h", "asm/kvm_para.h")
KVM_ROOMS = ("accel/kvm", "target/i386/kvm")
# The header that shows KVM's structures to those rooms; nobody else includes it either.
KVM_PUBLIC = "accel/kvm.h"
# Rooms in which each folder below is a room of its own where private headers are concerned.
DIVIDED = ("hw", "accel")
NOT_SOURCE = ("include", "tests", "docs", "scripts")


class Table:
    """Floors by path prefix; the longest prefix wins."""

    def __init__(self, text):
        self.floor_of_prefix = {}
        for line in text.splitlines():
            row = TABLE_ROW.match(line)
            if row:
                for prefix in re.findall(r"`([^`]+)`", row[2]):
                    self.floor_of_prefix[prefix.rstrip("/")] = int(row[1])
        if not self.floor_of_prefix:
            raise SystemExit("docs/architecture.md: no row of the floor table found")

    def floor(self, path):
        """Floor of a path such as util/error.c or hw/core/line.h; None if no row covers it."""
        best = max((p for p in self.floor_of_prefix if self.covers(p, path)), key=len, default=None)
        return None if best is None else self.floor_of_prefix[best]

    @staticmethod
    def covers(prefix, path):
        return path.startswith(prefix) and path[len(prefix):][:1] in ("", "/", ".", "-", "_")


def room_of(path):
    """Whose private headers a file may see: util, block, hw/virtio, accel/kvm ..."""
    parts = path.split("/")
    return "/".join(parts[:2]) if parts[0] in DIVIDED and len(parts) > 2 else parts[0]


def sees_kvm(path):
    return path.startswith(tuple(room + "/" for room in KVM_ROOMS))


def without_comments(text):
    return re.sub(r"/\*.*?\*/", lambda m: "\n" * m[0].count("\n"), text, flags=re.S)


class Checker:
    def __init__(self, root):
        self.root = root
        self.table = Table((root / "docs/architecture.md").read_text(encoding="utf-8"))
        self.errors = []
        self.files = 0
        self.includes = 0

    def run(self):
        for path in sorted(self.sources()):
            self.check_file(path)
        return self.errors

    def sources(self):
        for top in self.root.iterdir():
            if top.is_dir() and not top.name.startswith(("build", ".")) and (
                    top.name == "include" or top.name not in NOT_SOURCE):
                yield from top.rglob("*.[chS]")

    def check_file(self, path):
        name = path.relative_to(self.root).as_posix()
        place = name.removeprefix("include/")
        floor = self.table.floor(place)
        self.files += 1
        if floor is None:
            self.errors.append(f"{name}: no row of the floor table covers it")
            return
        text = without_comments(path.read_text(encoding="utf-8"))
        for match in INCLUDE.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            self.includes += 1
            if match[1] == "<":
                self.check_system(f"{name}:{line}", place, match[2])
            else:
                self.check_own(f"{name}:{line}", path, place, floor, match[2])

    def check_system(self, where, place, header):
        if header in KVM_HEADERS and place != KVM_PUBLIC and not sees_kvm(place):
            self.errors.append(f"{where}: <{header}> belongs to {' and '.join(KVM_ROOMS)} only")

    def check_own(self, where, path, place, floor, header):
        public = self.root / "include" / header
        beside = path.parent / header
        private = beside if beside.is_file() else self.root / header
        if header.startswith("../") or "/../" in header:
            self.errors.append(f'{where}: "{header}" climbs by ..; name the header from its root')
        elif header == KVM_PUBLIC and not sees_kvm(place):
            self.errors.append(f'{where}: "{header}" belongs to {" and ".join(KVM_ROOMS)} only')
        elif public.is_file():
            self.check_floor(where, floor, header, header)
        elif private.is_file():
            target = private.resolve().relative_to(self.root.resolve()).as_posix()
            target = target.removeprefix("include/")
            if room_of(target) != room_of(place):
                self.errors.append(f'{where}: "{header}" is private to {room_of(target)}; '
                                   f"what other rooms need stands in include/")
            self.check_floor(where, floor, header, target)
        else:
            # Neither public nor private: a generated header, which the table names.
            self.check_floor(where, floor, header, header)

    def check_floor(self, where, floor, header, target):
        theirs = self.table.floor(target)
        if theirs is None:
            self.errors.append(f'{where}: "{header}" is no header of the tree, and no row of the '
                               f"floor table covers it")
        elif theirs > floor:
            self.errors.append(f'{where}: floor {floor} includes "{header}" of floor {theirs}')


FAKE_TABLE = """
| floor | rooms |
|---|---|
| 1 | `util` |
| 2 | `qapi` |
| 3 | `migration/vmstate` |
| 5 | `hw/core`, `accel`, `target/i386` |
| 6 | `hw` |
| 8 | `migration`, `qapi-dispatch` |
"""
FAKE_HEADERS = ["include/util/a.h", "include/hw/core/a.h", "include/hw/net/a.h",
                "include/migration/vmstate.h", "include/migration/stream.h", "hw/net/secret.h",
                "target/i386/inside.h", "include/accel/other.h"]
# file, its text, what the one error must say (None: no error)
CASES = [
    ("util/a.c", '#include "util/a.h"\n', None),
    ("util/a.c", '#include "hw/core/a.h"\n', 'util/a.c:1: floor 1 includes "hw/core/a.h" of floor 5'),
    ("include/util/b.h", '\n#include "hw/core/a.h"\n', "include/util/b.h:2: floor 1"),
    ("hw/core/a.c", '#include "hw/net/a.h"\n', "floor 5 includes"),
    ("hw/net/a.c", '#include "hw/core/a.h"\n#include "secret.h"\n', None),
    ("hw/block/a.c", '#include "hw/net/secret.h"\n', "private to hw/net"),
    ("hw/block/a.c", '#include "../net/secret.h"\n', "climbs by .."),
    ("target/i386/kvm/a.c", '#include "target/i386/inside.h"\n', None),
    ("hw/block/a.c", '#include "migration/vmstate.h"\n', None),
    ("hw/block/a.c", '#include "migration/stream.h"\n', "of floor 8"),
    ("hw/block/a.c", '#include "qapi-types.h"\n', None),
    ("hw/block/a.c", '#include "qapi-dispatch.h"\n', "of floor 8"),
    ("hw/block/a.c", '#include "nowhere.h"\n', "no header of the tree"),
    ("hw/block/a.c", "/* gone:\n#include \"nowhere.h\"\n*/\n", None),
    ("hw/block/a.c", "#include <linux/kvm.h>\n", "belongs to accel/kvm"),
    ("accel/kvm/a.c", "#include <linux/kvm.h>\n", None),
    ("include/accel/kvm.h", "#include <linux/kvm.h>\n", None),
    ("accel/kvm/a.c", '#include "accel/kvm.h"\n', None),
    ("accel/tcg/a.c", '#include "accel/kvm.h"\n', "belongs to accel/kvm"),
    ("attic/a.c", "", "no row of the floor table covers it"),
]


def self_test():
    wrong = 0
    for name, text, want in CASES:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            for file, content in [("docs/architecture.md", FAKE_TABLE), (name, text),
                                  *((h, "") for h in FAKE_HEADERS)]:
                (root / file).parent.mkdir(parents=True, exist_ok=True)
                (root / file).write_text(content, encoding="utf-8")
            errors = Checker(root).run()
        good = errors == [] if want is None else len(errors) == 1 and want in errors[0]
        if not good:
            wrong += 1
            print(f"{name}: {text!r}: want {want!r}, got {errors}")
    print(f"{len(CASES)} cases, {wrong} wrong")
    return 1 if wrong else 0


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    checker = Checker(Path(sys.argv[1]))
    for error in checker.run():
        print(error)
    print(f"{checker.files} files, {checker.includes} includes, {len(checker.errors)} errors")
    if checker.files == 0:
        print("no source file found: is that the root of the tree?")
        return 1
    return 1 if checker.errors else 0


if __name__ == "__main__":
    sys.exit(main())
