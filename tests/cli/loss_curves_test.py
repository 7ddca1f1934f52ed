#!/usr/bin/env python3
"""The benchmark of loss curves, on a few steps over drawn faces: the test checks that it runs and reports, not its result on real faces."""

import os
import subprocess
import sys

import harness
from harness import CliTest, binary, faces, path

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "bench"))
import loss_curves  # noqa: E402


def execute(command, environment):
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class LossCurves(CliTest):
    def test_curves_part_by_rounding_and_by_their_start(self):
        faces()
        images = loss_curves.Faces(path("faces"), path("faces", "list.txt"))
        recipe = ("--depth", 10, "--width", 0.25, "--embedding", 16, "--batch", 8, "--threads", 1)
        gaps = loss_curves.measure(execute, binary(), images, steps=20, draws=2, smoothed_over=1, recipe=recipe)
        self.assertEqual(len(gaps.perturbed), 2)
        self.assertGreater(max(gaps.perturbed), 0, "other starts show in the last digits at least")
        for one in [gaps.automatic, *gaps.perturbed]:
            self.assertLess(one, 0.5, "and not in the first")


if __name__ == "__main__":
    harness.main()
