#!/usr/bin/env python3
"""The built-in default run, complete: its result, its distance from the edge of stability (docs/training_faces.md has ten seeds), and how
it is stopped and continued."""

import csv
import re
import signal

import harness
from harness import CliTest, checkpoints, finish, path, start, wait_for_log


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

    def test_a_stop_while_it_trains(self):
        process = start("--out", "late", "--seed", 3)
        wait_for_log("late", " Step 10/", process, seconds=2 * harness.PATIENCE)
        process.send_signal(signal.SIGINT)
        result = finish(process)
        self.assertEqual(result.code, 130, repr(result))
        self.assertEqual(len(checkpoints("late")), 1)
        self.assertIn("train_face --out late --resume", result.err)
        self.refused(2, ["--out", "late", "--seed", 3], "--out", "--resume")
        self.refused(2, ["--out", "late", "--resume", "--seed", 4], "--seed", "3")
        resumed = start("--out", "late", "--resume", "auto")  # as in `train`; the word may be left out
        wait_for_log("late", "Resumed from", resumed, seconds=2 * harness.PATIENCE)
        resumed.send_signal(signal.SIGTERM)
        self.assertEqual(finish(resumed).code, 143)
        self.refused(2, ["--resume"], "--resume", "--out")


if __name__ == "__main__":
    harness.main()
