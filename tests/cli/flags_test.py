#!/usr/bin/env python3
"""examples/train_face/flags.cpp: the only table of the library's fields and the flags that set them."""

import os
import re
import subprocess

import harness
from harness import CliTest, faces, read, run, train_arguments

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
TABLE = re.findall(r'^    \{"(\.[a-z_.]+)", "([^"]+)"\},$', read(os.path.join(ROOT, "examples/train_face/flags.cpp")), re.MULTILINE)
LITERAL = re.compile(r'"(?:[^"\\\n]|\\.)*"')


def sources():
    listed = subprocess.run(["git", "ls-files", "include", "src", "cuda"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    found = listed or [os.path.relpath(os.path.join(folder, name), ROOT) for top in ("include", "src", "cuda")
                       for folder, _, names in os.walk(os.path.join(ROOT, top)) for name in names]
    return [name for name in found if name.endswith((".h", ".cpp", ".cu"))]


class Flags(CliTest):
    @classmethod
    def setUpClass(cls):
        faces()

    def test_the_library_knows_no_flag(self):
        self.assertGreater(len(TABLE), 40)
        for name in sources():
            for line in read(os.path.join(ROOT, name)).splitlines():
                for literal in [] if line.lstrip().startswith("//") else LITERAL.findall(line):
                    self.assertNotRegex(literal, r"(?<![\w-])--[a-z]", name)

    def test_every_flag_is_one(self):
        known = set(re.findall(r"--[a-z0-9-]+", run("train", "--help").out + run("align", "--help").out))
        for field, flags in TABLE:
            for flag in re.findall(r"--[a-z0-9-]+", flags):
                self.assertIn(flag, known, field)

    def test_what_the_library_says_has_flags_here(self):
        self.refused(2, train_arguments("a", "--workers", 0), "--workers: expected 1 to 256")
        self.refused(2, train_arguments("a", "--mean", 256), "--mean: expected")
        self.refused(2, train_arguments("a", "--momentum", 2), "--momentum: expected")
        self.refused(2, train_arguments("a", "--lr-steps", -1), "--lr-steps: expected")
        self.refused(2, train_arguments("a", "--method", "adam", "--momentum", 1), "--momentum: expected a number below 1 for adam")

    def test_so_has_the_log(self):
        self.train("stopped", "--iterations", 2)
        result = self.refused(2, train_arguments("stopped", "--iterations", 3), "--out", "--resume auto")
        self.assertNotRegex(result.err, r"(?<![\w/])\.(out|resume)\b")


if __name__ == "__main__":
    harness.main()
