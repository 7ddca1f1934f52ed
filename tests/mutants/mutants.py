#!/usr/bin/env python3
"""Seeds known bugs (table.py), one at a time, into a copy of the tree and expects the test named for each to fail.

A mutant that does not compile does not count. Ends with 1 if a mutant survives, does not compile, or violates the rules.

    ./run mutants [--only WORD] [--list] [--jobs N]
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from table import MUTANTS

ROOT = Path(__file__).resolve().parents[2]
LEAST = 20
TEST_SECONDS = 120


EMULATED = "cuda/amnet_emulated_tests"


def program_of(mutant):
    """The kernels of a GPU run on an emulated one."""
    return EMULATED if mutant.emulated or mutant.file.startswith("cuda/") else "amnet_tests"


def in_source(test):
    """The name of a test case without the type that Catch2 appends for a template."""
    return re.sub(r" - (F32|Tf32|Bf16)$", "", test)


def line_of(mutant):
    """The line that the mutant changes, counted from 1; exits unless the old text occurs exactly once."""
    text = (ROOT / mutant.file).read_text()
    if text.count(mutant.old) != 1:
        sys.exit(f"{mutant.name}: its old text stands {text.count(mutant.old)} times in {mutant.file}, expected once: {mutant.old}")
    return text[:text.index(mutant.old)].count("\n") + 1


def check_rules():
    if len(MUTANTS) < LEAST:
        sys.exit(f"expected at least {LEAST} mutants but the table has {len(MUTANTS)}")
    for what, values in (("name", [m.name for m in MUTANTS]), ("line", [f"{m.file}:{line_of(m)}" for m in MUTANTS])):
        twice = [value for value, count in Counter(values).items() if count > 1]
        if twice:
            sys.exit(f"two mutants share one {what}: {', '.join(twice)}")
    for mutant in MUTANTS:
        if mutant.old == mutant.new or re.search(r"return\s+[-+]?[\w.{}]*\d[\w.{}]*;", mutant.new):
            sys.exit(f"{mutant.name}: changes nothing, or merely returns a constant")
    kernels = [*(ROOT / "src/cpu").glob("*.cpp"), *(ROOT / "cuda").glob("*.cu")]
    without = {str(path.relative_to(ROOT)) for path in kernels} - {mutant.file for mutant in MUTANTS}
    if without:
        sys.exit(f"kernel files without a mutant: {', '.join(sorted(without))}")
    kept = {line for path in [*(ROOT / "cuda").glob("*.cu"), *(ROOT / "cuda").glob("*.h")] for line in meetings_of(path)} - {
        line for mutant in MUTANTS for line in meetings_dropped(mutant)}
    if kept:
        sys.exit(f"barriers and shuffles that no mutant leaves out: {', '.join(sorted(kept))}")


# Where threads of a GPU wait for each other or read from each other: a kernel that also works
# without it is not tested.
MEETING = re.compile(r"\b(?:barrier|exchange)\(")


def meetings_of(path):
    text = path.read_text()
    return {f"{path.relative_to(ROOT)}:{text[:found.start()].count(chr(10)) + 1}" for found in MEETING.finditer(text)
            if "__device__" not in text[text.rfind("\n", 0, found.start()):found.start()]}


def meetings_dropped(mutant):
    """The barriers and shuffles in the text that the mutant replaces, where the new text has fewer."""
    if len(MEETING.findall(mutant.new)) >= len(MEETING.findall(mutant.old)):
        return set()
    first = line_of(mutant)
    return {f"{mutant.file}:{first + mutant.old[:found.start()].count(chr(10))}" for found in MEETING.finditer(mutant.old)}


def has_processor(flag):
    """Whether this processor has the flag. True where the system does not tell: then the mutant is tried."""
    flags = re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE) if Path("/proc/cpuinfo").exists() else None
    return flags is None or flag in flags.group(1).split()


def copy_tree(target, tests):
    """Copies what the build needs, with only those test files that contain the named tests."""
    for name in ("CMakeLists.txt", "cmake", "cuda", "docs", "examples", "include", "src", "tests", "third_party"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target / name)
    missing = set(tests)
    for path in (target / "tests").rglob("*_test.cpp"):
        text = path.read_text()
        here = {test for test in tests if f'"{in_source(test)}"' in text}
        if not here:
            path.unlink()
        missing -= here
    if missing:
        sys.exit("no test file holds the test case(s): " + "; ".join(sorted(missing)))


class Copy:
    def __init__(self, directory, jobs):
        self.source = directory / "amnet"
        self.build = directory / "build"
        self.jobs = str(jobs)
        self.environment = dict(os.environ)
        self.environment.setdefault("AMNET_SHARED", str(ROOT.parent / "shared"))
        self.source.mkdir()

    def configure(self, cuda):
        """False where the GPU's kernels are needed but cannot be built."""
        command = ["cmake", "-S", str(self.source), "-B", str(self.build), "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Debug",
                   "-DCMAKE_CXX_FLAGS_DEBUG=-O1", "-DAMNET_NATIVE=ON", "-DAMNET_BUILD_EXAMPLES=OFF", "-DAMNET_INSTALL=OFF",
                   f"-DAMNET_CUDA={'AUTO' if cuda else 'OFF'}"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return not cuda or (self.build / "tests" / "cuda").exists()

    def compiles(self, programs):
        targets = [program.split("/")[-1] for program in programs]
        self.log = subprocess.run(["cmake", "--build", str(self.build), "-j", self.jobs, "--target", *targets],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        return self.log.returncode == 0

    def passes(self, program, test):
        """True or False; None when it did not end in time."""
        name = re.sub(r'([,\[\]"\\])', r"\\\1", test)
        command = [str(self.build / "tests" / program), name]
        try:
            result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=self.environment, timeout=TEST_SECONDS,
                                    text=True, errors="replace")
        except subprocess.TimeoutExpired:
            return None
        self.output = result.stdout
        if "No test cases matched" in result.stdout or "No tests ran" in result.stdout:
            sys.exit(f"{program} has no test case '{test}'")
        return result.returncode == 0


def main():
    parser = argparse.ArgumentParser(prog="./run mutants", description="Seeds known bugs and expects the named tests to catch them.")
    parser.add_argument("--only", default="", metavar="WORD", help="only mutants whose name or file holds WORD")
    parser.add_argument("--list", action="store_true", help="show the table and stop")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="compilers at once (default: %(default)s)")
    arguments = parser.parse_args()

    check_rules()
    chosen = sorted((m for m in MUTANTS if arguments.only in m.name or arguments.only in m.file), key=lambda m: m.file)
    if arguments.list:
        for mutant in chosen:
            print(f"{mutant.name:32} {mutant.file}:{line_of(mutant)}  ->  {mutant.test}")
        return 0

    for mutant in [mutant for mutant in chosen if mutant.processor and not has_processor(mutant.processor)]:
        print(f"SKIPPED {mutant.name}: it changes nothing on a processor without {mutant.processor}.")
        chosen.remove(mutant)
    if not chosen:
        print("Nothing is left to seed.")
        return 0

    started = time.monotonic()
    tests = sorted({mutant.test for mutant in chosen})
    with tempfile.TemporaryDirectory(prefix="amnet_mutants_") as scratch:
        copy = Copy(Path(scratch), arguments.jobs)
        copy_tree(copy.source, tests)
        print(f"Building the tests without a mutant ({len(tests)} named) …", flush=True)
        if not copy.configure(any(program_of(mutant) == EMULATED for mutant in chosen)):
            print("SKIPPED the mutants that tests on an emulated GPU catch: there is no nvcc with cuDNN here.")
            chosen = [mutant for mutant in chosen if program_of(mutant) != EMULATED]
        programs = sorted({program_of(mutant) for mutant in chosen})
        if not copy.compiles(programs):
            sys.exit(f"{copy.log.stdout[-4000:]}\nthe tree does not build without a mutant")
        for program, test in sorted({(program_of(mutant), mutant.test) for mutant in chosen}):
            if not copy.passes(program, test):
                sys.exit(f"{copy.output[-4000:]}\n'{test}' is red without a mutant")
        print(f"All are green after {time.monotonic() - started:.0f} s; now {len(chosen)} mutants.", flush=True)

        bad = []
        for number, mutant in enumerate(chosen, 1):
            begun = time.monotonic()
            path = copy.source / mutant.file
            original = path.read_text()
            path.write_text(original.replace(mutant.old, mutant.new))
            if not copy.compiles([program_of(mutant)]):
                errors = [line for line in copy.log.stdout.splitlines() if "error" in line]
                verdict = "DOES NOT COMPILE  " + "; ".join(errors[:2])
            else:
                passed = copy.passes(program_of(mutant), mutant.test)
                verdict = "SURVIVED" if passed else "caught" if passed is False else "caught (did not end)"
            path.write_text(original)  # compiled again together with the next mutant
            if not verdict.startswith("caught"):
                bad.append(mutant.name)
            print(f"{number:3}/{len(chosen)}  {mutant.name:32} {mutant.file:34} {verdict:10} {time.monotonic() - begun:4.0f} s", flush=True)

    minutes = (time.monotonic() - started) / 60
    print(f"{len(chosen) - len(bad)} of {len(chosen)} mutants caught in {minutes:.1f} minutes." + (f" Not: {', '.join(bad)}" if bad else ""))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
