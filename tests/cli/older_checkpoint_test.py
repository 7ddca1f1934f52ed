#!/usr/bin/env python3
"""Runs that an earlier version began (tests/model/fixtures) can be continued, measured, and used as a start."""

import os
import shutil

import harness
from harness import CliTest, described, metrics, model, norm, path, read, read_npy

FIXTURES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "model", "fixtures")
LOSSES = ["amsoftmax", "softmax", "normface"]
RECIPE = ["--pack", "faces.pack", "--val-pairs", "pairs.txt", "--val-pack", "faces.pack", "--val-every", 3, "--depth", 4, "--width", 0.02,
          "--embedding", 8, "--batch", 4, "--iterations", 6, "--lr", 0.005, "--log-every", 1, "--checkpoint-every", 4, "--threads", 1,
          "--convolution", "direct", "--channel-order", "rgb", "--mean", 120]  # fmt: skip


class OlderCheckpoint(CliTest):
    @classmethod
    def setUpClass(cls):
        for name in ["faces.pack", "pairs.txt"]:
            shutil.copy(os.path.join(FIXTURES, name), path(name))

    def run_of(self, loss):
        """The run as it was after step 4, with the tables of all its 6 steps."""
        out = f"{loss}-run"
        shutil.rmtree(path(out), ignore_errors=True)
        shutil.copytree(os.path.join(FIXTURES, loss), path(out))
        return out

    def test_a_run_goes_on_as_it_would_have(self):
        for loss in LOSSES:
            with self.subTest(loss=loss):
                out = self.run_of(loss)
                before, validated = metrics(out), read(f"{out}/validation.csv")
                result = self.ok("train", "--out", out, "--loss", loss, *RECIPE, "--resume", "auto")
                self.assertIn(f"Resumed from {out}/step_00000004 at step 4", result.err)
                self.assertNotIn("Setting changed", result.err)
                self.assertEqual(metrics(out)[:4], before[:4])
                self.assertEqual([row["step"] for row in metrics(out)], [1, 2, 3, 4, 5, 6])
                for now, then in zip(metrics(out)[4:], before[4:]):
                    for key in ["loss", "accuracy", "target_cosine", "feature_norm", "learning_rate"]:
                        self.assertAlmostEqual(now[key], then[key], delta=1e-4 * abs(then[key]) + 1e-9, msg=f"{key}: another processor rounds otherwise")
                self.assertEqual(read(f"{out}/validation.csv"), validated)
                about = described(f"{out}/last/model.safetensors")
                self.assertEqual((about["roles"]["loss"], about["layers"][-1]["name"]), ("loss", "accuracy"))

    def test_what_was_another_network_is_refused(self):
        out = self.run_of("amsoftmax")
        for flags, what in [(["--width", 0.05], "layer 'conv1_1': outputs was 1 but now it is 3"), (["--mean", 128], "--mean 120"),
                            (["--embedding", 9], "layer 'fc5': outputs was 8 but now it is 9"), (["--depth", 10], "layer 'conv2_2'")]:  # fmt: skip
            at = RECIPE.index(flags[0])
            self.refused(2, ["train", "--out", out, *RECIPE[:at], *flags, *RECIPE[at + 2 :], "--resume", "auto"], what, "--out")

    def test_its_model_embeds_and_is_started_from(self):
        for loss in LOSSES:
            with self.subTest(loss=loss):
                out = self.run_of(loss)
                self.ok("extract", "--model", out, "--pack", "faces.pack", "--flip", "concat", "--out", "x.npy", "--threads", 1)
                shutil.copy(os.path.join(FIXTURES, loss, "embeddings.npy"), path("expected.npy"))
                for now, then in zip(read_npy("x.npy"), read_npy("expected.npy")):
                    self.assertLess(norm([a - b for a, b in zip(now, then)]), 1e-5 * norm(then))
                self.ok("eval", "--model", out, "--pairs", "pairs.txt", "--pack", "faces.pack")
                self.ok("train", "--out", f"from-{loss}", "--loss", loss, "--init-from", out, *RECIPE[:-4], "--lr-gamma", 0.5)
                log = read(f"from-{loss}/train.log")
                self.assertIn("; drawn anew: nothing.", log)
                self.assertIn(f"channel order rgb as {loss}-run", log)
        self.assertEqual(model("from-amsoftmax/last/model.safetensors")[1]["fc6.weight"][0], [4, 8])


if __name__ == "__main__":
    harness.main()
