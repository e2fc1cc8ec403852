#!/usr/bin/env python3
"""Compiles qapi/*.schema: generate.py [--pages] --out DIR FILE.schema..."""

import argparse
import os
import sys

from gen import commands, ctypes, introspect, options, reference
from gen.schema import SchemaError, read

OUTPUTS = {
    "qapi-types.h": ctypes.header,
    "qapi-types.c": ctypes.source,
    "qapi-commands.h": commands.header,
    "qapi-dispatch.c": commands.dispatch,
    "qapi-events.h": commands.events_header,
    "qapi-events.c": commands.events_source,
    "qapi-introspect.c": introspect.source,
    "qapi-options.h": options.header,
    "qapi-options.c": options.source,
}
PAGES = {
    "qmp.md": reference.qmp,
    "options.md": reference.options,
}


def write(path, text):
    """leave an unchanged file alone, so that nothing is compiled again"""
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            if file.read() == text:
                return
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", required=True, help="directory of the results")
    parser.add_argument("--pages", action="store_true", help="make the reference pages, not the code")
    parser.add_argument("schema", nargs="+")
    args = parser.parse_args(argv)
    try:
        schema = read(args.schema)
    except SchemaError as error:
        print(error, file=sys.stderr)
        return 1
    for name, make in (PAGES if args.pages else OUTPUTS).items():
        write(os.path.join(args.out, name), make(schema))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
