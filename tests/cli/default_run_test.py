#!/usr/bin/env python3
"""The embedded default, whole: what it reaches, and that it stays away from the edge of stability (docs/training_faces.md has ten seeds)."""

import csv
import re

import harness
from harness import CliTest, path, start


class DefaultRun(CliTest):
    def test_it_learns_and_its_features_keep_their_length(self):
        process = start("--out", "first", "--seed", 1)
        out, err = (text.decode() for text in process.communicate(timeout=20 * 60))  # a minute or two on an idle machine
        self.assertEqual(process.returncode, 0, err)
        reached = float(re.search(r"Reached ([\d.]+) % on 2000 pairs", out)[1])
        self.assertGreaterEqual(reached, 96.0, err)
        self.assertNotIn("Warning", err)
        with open(path("first/metrics.csv")) as file:
            norms = {int(row["step"]): float(row["feature_norm"]) for row in csv.DictReader(file)}
        self.assertEqual(max(norms), 480)
        self.assertLess(max(norm for step, norm in norms.items() if step >= 40), 30 * norms[40])


if __name__ == "__main__":
    harness.main()
