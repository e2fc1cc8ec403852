#!/usr/bin/env python3
"""docs/compatibility.md against the program: every row's state is what the program says.

usage: compatibility.py BINARY DOC [--update]

The tables list the options, QMP commands and device types that users of qemu 7.2 know. State "yes" means the program
offers it, "later" that it does not yet. --update rewrites the states (and adds rows for what is new).
"""
import json
import re
import subprocess
import sys

ROW = re.compile(r"^\| `([^`]+)` \| (yes|later) \|(.*)$")


def run(binary, *args, text=None):
    done = subprocess.run([binary, *args], input=text, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                          timeout=30)
    return done.stdout


def commands(binary):
    out = run(binary, "-M", "none", "-accel", "qtest", "-nodefaults", "-display", "none", "-qmp", "stdio",
              text='{"execute":"qmp_capabilities"} {"execute":"query-commands"} {"execute":"quit"}\n')
    for line in out.splitlines():
        reply = json.loads(line)
        if isinstance(reply.get("return"), list):
            return {row["name"] for row in reply["return"]}
    sys.exit("no answer to query-commands")


def devices(binary):
    return {name for name in re.findall(r'^name "([^"]+)"', run(binary, "-device", "help"), re.M)
            if not name.endswith("-x86_64-cpu")}


def options(binary):
    """What -help lists, with other names ("; also -M"), but without "(not supported yet)"."""
    found = set()
    for name, text in re.findall(r"^-(\S+)[^\n]*\n +([^\n]*)", run(binary, "-help"), re.M):
        if not text.endswith("(not supported yet)"):
            found |= {name, *re.findall(r"; also -(\w[\w-]*)", text)}
    return found


def sections(doc):
    """Section title -> its rows' names."""
    found, title = {}, None
    for line in doc.splitlines():
        if line.startswith("## "):
            title = line[3:]
            found[title] = {}
        match = ROW.match(line)
        if match and title:
            found[title][match.group(1)] = match.group(2)
    return found


def main():
    binary, path = sys.argv[1:3]
    with open(path, encoding="utf-8") as file:
        doc = file.read()
    tables = sections(doc)
    there = {"Options": options(binary), "QMP commands": commands(binary),
             "Devices": devices(binary)}
    wrong = []
    for title, names in there.items():
        for name in sorted(names | set(tables[title])):
            state = "yes" if name in names else "later"
            said = tables[title].get(name)
            if said != state:
                wrong.append(f"{title}: '{name}' is {state}, the page says {said or 'nothing'}")
    if "--update" in sys.argv:
        update(path, doc, there)
        return
    print("\n".join(wrong))
    sys.exit(f"{len(wrong)} rows are wrong; see tests/tree/compatibility.py --update" if wrong else 0)


def update(path, doc, there):
    lines, title, rows = [], None, None
    notes = {match.group(1): match.group(3) for match in map(ROW.match, doc.splitlines()) if match}
    for line in doc.splitlines() + ["## "]:
        if line.startswith("## ") and rows is not None:
            names = there[title]
            for name in sorted(names | rows, key=lambda name: (name.lower(), name)):
                lines.append(f"| `{name}` | {'yes' if name in names else 'later'} |{notes.get(name, ' |')}")
            lines.append("")
            rows = None
        if line.startswith("## ") and line[3:] in there:
            title, rows = line[3:], set()
        match = ROW.match(line)
        if rows is not None and match:
            rows.add(match.group(1))
        elif not (rows is not None and not line and lines and lines[-1].startswith("|")):
            lines.append(line)
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines[:-1]).rstrip() + "\n")


if __name__ == "__main__":
    main()
