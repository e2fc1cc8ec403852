#!/usr/bin/python3
"""Writes an initramfs (cpio, newc) without root, the same bytes for the same input.

    initramfs.py OUTPUT PATH=FILE[:MODE]... [PATH/]... [PATH->TARGET]...

PATH=FILE[:MODE] adds a file (mode 755 unless told), PATH/ a directory, PATH->TARGET a symbolic link.
/dev/console is always there: the kernel opens it for init.
"""

import sys
from pathlib import Path

DIRECTORY, FILE, LINK, CHAR = 0o040000, 0o100000, 0o120000, 0o020000


class Cpio:
    """Entries of a newc archive; parent directories come by themselves."""

    def __init__(self):
        self.parts = []
        self.names = set()

    def add(self, name, mode, data=b"", device=(0, 0)):
        name = name.strip("/")
        parent = name.rpartition("/")[0]
        if parent and parent not in self.names:
            self.add(parent, DIRECTORY | 0o755)
        if name in self.names:
            return
        self.names.add(name)
        self.raw(name, mode, data, device)

    def raw(self, name, mode, data, device):
        fields = [len(self.parts) + 1, mode, 0, 0, 2 if mode & DIRECTORY == DIRECTORY else 1, 0,
                  len(data), 0, 0, *device, len(name) + 1, 0]
        head = b"070701" + b"".join(b"%08x" % field for field in fields)
        self.parts.append(pad(head + name.encode() + b"\0") + pad(data))

    def bytes(self):
        self.raw("TRAILER!!!", 0, b"", (0, 0))
        return b"".join(self.parts)


def pad(data):
    return data + b"\0" * (-len(data) % 4)


def build(entries):
    """The archive for entries in the syntax of the command line."""
    cpio = Cpio()
    cpio.add("dev", DIRECTORY | 0o755)
    cpio.add("dev/console", CHAR | 0o600, device=(5, 1))
    for entry in entries:
        if "->" in entry:
            name, _, target = entry.partition("->")
            cpio.add(name, LINK | 0o777, target.encode())
        elif entry.endswith("/"):
            cpio.add(entry, DIRECTORY | 0o755)
        else:
            name, _, source = entry.partition("=")
            file, _, mode = source.partition(":")
            cpio.add(name, FILE | int(mode or "755", 8), Path(file).read_bytes())
    return cpio.bytes()


def main():
    if len(sys.argv) < 3:
        print(__doc__, file=sys.stderr)
        return 2
    Path(sys.argv[1]).write_bytes(build(sys.argv[2:]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
