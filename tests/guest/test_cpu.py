#!/usr/bin/python3
"""System-level processor behaviour: the bare-metal programs of cpu/, each a list of checks."""

import re

import harness
from harness import GUESTS, Machine, accel, add_case, case

PASSED = 33
PROGRAMS = ("apic", "debug", "exceptions", "legacy", "paging", "paging32", "privilege", "privilege32", "real", "stack16", "task", "tlb", "v86", "vme")


def host_letter():
    """What the guest is told of where it runs, as cpu.c knows it."""
    if harness.ACCEL != "kvm":
        return "t"
    return "i" if harness.kvm_kind() == "interpreted" else "k"


def run(program, options, name):
    """Whether any check was made; all that were have passed."""
    with Machine(*options, "-M", "q35", "-m", "64", "-no-reboot", "-bios", GUESTS / f"cpu/{program}.rom",
                 "-device", "isa-debug-exit,iobase=0xf4,iosize=4", name=name) as machine:
        machine.expect("^CPU: up", 20)
        machine.send(host_letter())
        machine.expect(r"^CPU: (done|FAILED).*\n", 20)
        print("\n".join(re.findall(r"^.* skip: .*$|^CPU: done.*$", machine.text, re.M)))
        bad = re.findall(r"^.* FAIL .*$|^CPU: FAILED.*$", machine.text, re.M)
        if bad:
            raise harness.Failure("; ".join(bad))
        machine.wait(PASSED)
        return "CPU: done, 0 ok" not in machine.text


def cpu(program):
    if not run(program, accel(), f"cpu-{program}"):
        raise harness.Skip("this accelerator can run none of the cases")


for _program in PROGRAMS:
    add_case(f"cpu-{_program}", lambda program=_program: cpu(program))


@case
def cpu_interpreter():
    """All of them by the engine's interpreter alone; otherwise they meet the translator, too."""
    if harness.ACCEL != "tcg":
        raise harness.Skip("only our own engine has a translator to leave out")
    for program in PROGRAMS:
        run(program, ("-accel", "tcg,x-translate=off", "-cpu", "max"), f"cpu-interpreter-{program}")


if __name__ == "__main__":
    harness.main()
