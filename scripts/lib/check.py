"""Build and test stages of scripts/check, which see for the options and the promise it makes."""

import argparse
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
JOBS = str(os.cpu_count() or 2)
SANITIZE = ["-Db_lundef=false", "-Dbuildtype=debugoptimized"]

STOCK_GUESTS = ["cloud-kernel", "full-kernel", "memtest"]     # of scripts/stock-guest

# name, build directory, meson options, environment, what to hand to `meson test`; the first is all
# that --quick runs.
STAGES = [
    ("Tests", "build-check", [], {}, ["--no-suite", "bench"]),
    ("Under AddressSanitizer and UBSan", "build-check-asan",
     ["-Db_sanitize=address,undefined", *SANITIZE],
     {"ASAN_OPTIONS": "detect_stack_use_after_return=1:strict_string_checks=1",
      "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1"},
     ["--suite", "unit", "--suite", "qtest", "--timeout-multiplier", "4"]),
    ("Threads under ThreadSanitizer", "build-check-tsan",
     ["-Db_sanitize=thread", *SANITIZE],
     {"TSAN_OPTIONS": f"halt_on_error=1:suppressions={ROOT}/tests/tsan.supp"},
     ["--suite", "thread", "--timeout-multiplier", "4"]),
    ("Fuzzing, for a bounded time", "build-check-fuzz",
     ["-Dfuzzers=true", "-Db_sanitize=address,undefined", *SANITIZE],
     {"CC": "clang"},
     ["--suite", "fuzz"]),
]


class Tally:
    """Counts over all stages; one failed build counts as one failed test."""

    def __init__(self):
        self.passed = 0
        self.failed = []
        self.skipped = []

    def add(self, stage, entry):
        name = f"{stage}: {entry['name']}"
        result = entry["result"]
        if result in ("OK", "EXPECTEDFAIL"):
            self.passed += 1
            # A TAP test passes as a whole although single cases were skipped: say which.
            for case, reason in skipped_cases(entry):
                self.skipped.append((f"{name} {case}", reason))
        elif result == "SKIP":
            self.skipped.append((name, skip_reason(entry)))
        else:
            self.failed.append(f"{name} ({result})")

    def last_line(self):
        line = f"{self.passed} passed, {len(self.failed)} failed"
        return line + (f", {len(self.skipped)} skipped" if self.skipped else "")


def output_of(entry):
    return (entry.get("stdout") or "") + (entry.get("stderr") or "")


def skipped_cases(entry):
    """(name, reason) of each skipped case in TAP output."""
    pattern = re.compile(r"^ok \d+(?: -)? ?(.*?) *# SKIP ?(.*)$", re.I | re.M)
    return [(m[1], m[2] or "no reason given") for m in pattern.finditer(output_of(entry))]


def skip_reason(entry):
    match = re.search(r"^(?:1\.\.0 *# *)?SKIP(?:ped)?:? *(.+)$", output_of(entry), re.I | re.M)
    if match:
        return match[1].strip()
    cases = skipped_cases(entry)
    return cases[0][1] if cases else "no reason given"


def run(argv, env, log=None):
    """Exit status of argv; its output goes to the terminal, or to the file log."""
    merged = {**os.environ, **env}
    if log is None:
        return subprocess.run(argv, cwd=ROOT, env=merged, check=False).returncode
    with open(log, "wb") as out:
        return subprocess.run(argv, cwd=ROOT, env=merged, stdout=out, stderr=subprocess.STDOUT,
                              check=False).returncode


def tail(path, lines=60):
    with open(path, encoding="utf-8", errors="replace") as text:
        sys.stdout.writelines(text.readlines()[-lines:])


def build(stage, directory, options, env):
    """Configures (once) and compiles; returns whether it worked."""
    path = ROOT / directory
    log = path.with_suffix(".log")
    if (path / "build.ninja").exists():
        setup = ["/usr/bin/meson", "configure", directory, *options]
    else:
        setup = ["/usr/bin/meson", "setup", directory, *options]
    began = time.monotonic()
    print(f"-- configuring {directory}", flush=True)
    if run(setup, env, log) != 0:
        tail(log)
        print(f"-- {stage}: configuring failed; the log is {log}", flush=True)
        return False
    print(f"-- building {directory}", flush=True)
    if run(["ninja", "-C", directory, "-j", JOBS], env, log) != 0:
        tail(log)
        print(f"-- {stage}: the build failed; the log is {log}", flush=True)
        return False
    with open(log, encoding="utf-8", errors="replace") as text:
        warnings = sum("warning:" in line for line in text)
    print(f"-- built in {time.monotonic() - began:.0f} s, {warnings} warnings", flush=True)
    return True


def test(directory, env, arguments):
    """Runs meson test; yields the entries of its log."""
    log = ROOT / directory / "meson-logs" / "testlog.json"
    log.unlink(missing_ok=True)
    status = run(["/usr/bin/meson", "test", "-C", directory, "--no-rebuild",
                  "--num-processes", JOBS, "--print-errorlogs", *arguments], env)
    entries = []
    if log.exists():
        with open(log, encoding="utf-8") as lines:
            entries = [json.loads(line) for line in lines if line.strip()]
    if not entries or (status != 0 and all(e["result"] in ("OK", "SKIP") for e in entries)):
        entries.append({"name": f"meson test {' '.join(arguments)}",
                        "result": f"exit status {status}, {len(entries)} tests run"})
    return entries


def test_kernel(build_it):
    """Makes sure of the test kernel; guest tests skip, with the reason, where there is none."""
    script = ROOT / "scripts" / "test-kernel"
    if run([str(script), "--cached"], {}, os.devnull) == 0:
        return True
    if not build_it:
        print("-- no test kernel yet (scripts/test-kernel builds it); guest tests that need it skip",
              flush=True)
        return True
    return run([str(script)], {}) == 0


def stock_guests(fetch):
    """Makes sure of the unmodified guests, or says that tests will skip."""
    script = str(ROOT / "scripts" / "stock-guest")
    missing = [what for what in STOCK_GUESTS if run([script, "--cached", what], {}, os.devnull) != 0]
    if missing and not fetch:
        print(f"-- no {', '.join(missing)} yet (scripts/stock-guest fetches them); tests that need them skip", flush=True)
        return True
    return all(run([script, what], {}) == 0 for what in missing)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--no-install", action="store_true")
    arguments = parser.parse_args()

    tally = Tally()
    began = time.monotonic()
    for stage, directory, options, env, what in STAGES[:1] if arguments.quick else STAGES:
        print(f"== {stage}", flush=True)
        if not build(stage, directory, options, env):
            tally.failed.append(f"{stage}: build of {directory}")
            continue
        if directory == "build-check" and not test_kernel(build_it=not arguments.quick):
            tally.failed.append("the build of the test kernel")
        if directory == "build-check" and not stock_guests(fetch=not arguments.no_install):
            tally.failed.append("the fetching of unmodified guests")
        for entry in test(directory, env, what):
            tally.add(stage, entry)

    print(f"== Summary, after {(time.monotonic() - began) / 60:.1f} min")
    for name, reason in tally.skipped:
        print(f"skipped: {name}: {reason}")
    for name in tally.failed:
        print(f"FAILED: {name}")
    print(tally.last_line(), flush=True)
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
