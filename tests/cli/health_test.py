#!/usr/bin/env python3
"""The warnings of a run that goes wrong, each printed once, and of a run without problems, which has none."""

import re

import harness
from harness import CliTest, path, run

FLAGS = ["--root", "faces", "--depth", 4, "--width", 0.0625, "--embedding", 16, "--batch", 8, "--log-every", 1, "--threads", 1]


class Health(CliTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        run("synth", "--out", "faces", "--identities", 12, "--images", 6)

    def warnings(self, out, *flags):
        result = run("train", *FLAGS, "--out", out, *flags)
        self.assertEqual(result.code, 0, result)
        with open(path(out, "train.log")) as log:
            logged = [line.split(" ", 2)[2].strip() for line in log if "Warning:" in line]
        for warning in re.findall(r"Warning: .*", result.err):
            self.assertIn(warning, logged)  # in the log and on the terminal
        return logged

    def test_a_run_that_learns_says_nothing(self):
        self.assertEqual(self.warnings("well", "--lr", 0.005, "--warm-up", 40, "--iterations", 200), [])

    def test_nothing_is_learned(self):
        (warning,) = self.warnings("still", "--lr", 0, "--iterations", 250)
        self.assertRegex(warning, r"accuracy has stayed at chance \(1 in 12\) for an epoch")

    def test_features_collapse(self):
        warnings = self.warnings("collapsed", "--lr", 0.01, "--iterations", 150)
        (collapse,) = [warning for warning in warnings if "mean cosine" in warning]
        self.assertRegex(collapse, r"features of different people have a mean cosine of 0\.9\d\d")

    def test_the_feature_norm_grows(self):
        warnings = self.warnings("long", "--lr", 0.3, "--iterations", 60)
        self.assertRegex(warnings[0], r"feature norm has grown from 0\.\d+ to [\d.e+]+: the learning rate is too high")
        self.assertEqual(len([warning for warning in warnings if "feature norm" in warning]), 1, warnings)

    def test_a_resumed_run_says_nothing_again(self):
        once = self.warnings("parts", "--lr", 0, "--iterations", 150)
        self.assertEqual(len(once), 1)
        self.assertEqual(self.warnings("parts", "--lr", 0, "--iterations", 400, "--resume", "auto"), once)


if __name__ == "__main__":
    harness.main()
