#!/usr/bin/env python3
"""What TensorBoard's own reader sees of a run with --tensorboard, also of one that was killed and went on.

Skipped where Python has no module tensorboard; tests/train/tensorboard_test.cpp reads such files without it.
"""

import os
import unittest

import harness
from harness import CliTest, column, faces, finish, pairs, path, read, start, train_arguments, wait_for_log

try:
    from tensorboard.backend.event_processing import event_accumulator
except ImportError:
    event_accumulator = None


def curves(out):
    """Tag -> [(step, value)]."""
    every = {event_accumulator.SCALARS: 0}
    reader = event_accumulator.EventAccumulator(path(out, "tensorboard"), size_guidance=every)
    reader.Reload()
    return {tag: [(event.step, event.value) for event in reader.Scalars(tag)] for tag in reader.Tags()["scalars"]}


def steps(points):
    return [step for step, _ in points]


@unittest.skipUnless(event_accumulator, "SKIPPED: this Python has no module tensorboard")
class TensorBoard(CliTest):
    @classmethod
    def setUpClass(cls):
        faces()
        pairs()

    def test_the_curves_are_those_of_the_tables(self):
        self.train("board", "--tensorboard", "--iterations", 6, "--log-every", 2,
                   "--val-pairs", "pairs.txt", "--val-root", "faces", "--val-every", 3, without=["--log-every"])  # fmt: skip
        found = curves("board")
        for name in ["loss", "accuracy", "target_cosine", "feature_norm", "learning_rate", "epoch", "samples_per_second", "wait_fraction"]:
            with self.subTest(name=name):
                self.assertEqual(steps(found[f"train/{name}"]), [2, 4, 6])
                for (_, value), logged in zip(found[f"train/{name}"], column("board", name)):
                    self.assertAlmostEqual(value, logged, delta=1e-4 + 1e-3 * abs(logged))
        self.assertGreater(found["train/gradient_norm"][0][1], 0)
        rows = [line.split(",") for line in read("board/validation.csv").split()]
        self.assertEqual(steps(found["verification/accuracy_mean"]), [3, 6])
        for (_, value), row in zip(found["verification/accuracy_mean"], rows[1:]):
            self.assertAlmostEqual(value, float(row[1]), places=3)
        self.assertIn("tensorboard = true", read("board/config.toml"))

    def test_off_by_default_and_without_effect_on_what_is_learned(self):
        self.train("off")
        self.assertFalse(os.path.exists(path("off", "tensorboard")))
        self.train("on", "--tensorboard")
        self.assert_same("off", "on")
        result = self.ok(*train_arguments("on", "--iterations", 5, "--resume", "auto"))
        self.assertNotIn("tensorboard", result.err)

    def test_killed_and_resumed_each_step_is_there_once(self):
        flags = ["--tensorboard", "--iterations", 60, "--checkpoint-every", 7, "--schedule", "fixed"]
        for text in ["Step 12/60", "Step 26/60"]:
            process = start(*train_arguments("killed", *flags, "--resume", "auto"))
            wait_for_log("killed", text, process)
            process.kill()
            finish(process)
            self.assertGreaterEqual(steps(curves("killed")["train/loss"])[-1], int(text[5:7]), "readable after a crash")
        self.ok(*train_arguments("killed", *flags, "--resume", "auto"))
        self.assertEqual(len(os.listdir(path("killed", "tensorboard"))), 3)
        found = curves("killed")
        self.assertEqual(steps(found["train/loss"]), list(range(1, 61)))
        self.train("unbroken", *flags)
        for name in ["loss", "feature_norm", "gradient_norm"]:
            self.assertEqual(found[f"train/{name}"], curves("unbroken")[f"train/{name}"])

    def test_a_file_that_was_cut_off_lacks_one_record(self):
        self.train("cut", "--tensorboard")
        (name,) = os.listdir(path("cut", "tensorboard"))
        file = path("cut", "tensorboard", name)
        os.truncate(file, os.path.getsize(file) - 3)
        self.assertEqual(steps(curves("cut")["train/loss"]), [1, 2])


if __name__ == "__main__":
    harness.main()
