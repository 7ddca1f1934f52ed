#!/usr/bin/env python3
"""The reference code's own solver and net on real faces: a killed run ends in the same bytes, and its weights fine-tune. Skipped
where the shared data directory is absent."""

import os
import unittest

import harness
from harness import CliTest, finish, metrics, path, read, run, start, wait_for_log, write  # fmt: skip

SHARED = os.environ.get("AMNET_SHARED", os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../shared"))
FOLDER = os.path.join(SHARED, "data/seed_prototxt")
FACES = os.path.join(SHARED, "data/faces")


@unittest.skipUnless(os.path.isdir(SHARED), "SKIPPED: the shared data directory is absent (set AMNET_SHARED)")
class CaffeReference(CliTest):
    def face_run(self, out, *flags):
        return ["train", "--solver", f"{FOLDER}/amsoftmax/face_solver.prototxt", "--net", f"{FOLDER}/amsoftmax/face_train_test.prototxt",
                "--root", FACES, "--train-list", f"{FACES}/train_list.txt", "--iterations", 20, "--batch", 8, "--lr", 0.01, "--log-every", 1,
                "--checkpoint-every", 10, "--out", out, *flags]  # fmt: skip

    def test_a_killed_run_ends_in_the_same_bytes(self):
        self.ok(*self.face_run("whole"))
        self.assertEqual([row["step"] for row in metrics("whole")], list(range(1, 21)))
        process = start(*self.face_run("killed"))
        wait_for_log("killed", "Step 15/", process)
        process.kill()
        finish(process)
        self.ok(*self.face_run("killed", "--resume", "auto"))
        self.assertIn("10", read("killed/train.log"))
        self.assert_same("killed", "whole")

    def test_the_weights_of_lenet_fine_tune(self):
        """A classifier of grey 28x28 images goes on from its caffemodel with another head."""
        self.ok("synth", "--out", "faces", "--identities", 10, "--images", 4)
        lines = read("faces/list.txt").splitlines()
        small = []
        for number, line in enumerate(lines):
            name, label = line.rsplit(maxsplit=1)
            size, shade = 28, (37 * number) % 200
            pixels = bytes((shade + 3 * x + 5 * y * int(label)) % 256 for y in range(size) for x in range(size))
            write(f"digits/{number}.pgm", b"P5\n28 28\n255\n" + pixels)
            small.append(f"{number}.pgm {label}\n")
        write("digits.txt", "".join(small))
        lenet = ["train", "--solver", f"{FOLDER}/normface/lenet_solver.prototxt", "--net", f"{SHARED}/data/formats/lenet_NCA_nonorm.prototxt",
                 "--root", "digits", "--train-list", "digits.txt", "--iterations", 4, "--batch", 8, "--lr", 0.001, "--log-every", 1]  # fmt: skip
        self.ok(*lenet, "--weights", f"{SHARED}/data/formats/lenet_iter_20000.caffemodel", "--out", "tuned")
        self.assertIn("Took the weights of", read("tuned/train.log"))
        self.assertIn("all of them", read("tuned/train.log"))
        self.assertEqual(len(metrics("tuned")), 4)
        self.ok("import", "--net", f"{SHARED}/data/formats/lenet_NCA_nonorm.prototxt", "--weights", f"{SHARED}/data/formats/lenet_iter_20000.caffemodel",
                "--input", "28x28", "--embedding", "ip1_dr", "--out", "lenet.safetensors")  # fmt: skip
        self.ok("extract", "--model", "lenet.safetensors", "--root", "digits", "--list", "digits.txt", "--out", "lenet.npy")


if __name__ == "__main__":
    harness.main()
