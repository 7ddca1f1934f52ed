#!/usr/bin/env python3
"""The built-in default run, as far as it can be seen in its first seconds; the complete run is `./run train_face`."""

import os
import shutil
import signal
import time

import harness
from harness import CliTest, finish, path, sha, start, write

FIRST_IMAGE = "faces/train/id_00000/id_00000_0001.jpg"


class FirstRun(CliTest):
    def first_image(self, out, *flags):
        """Its first messages, and the hash of the first face it draws."""
        shutil.rmtree(path(out), ignore_errors=True)
        process = start(*flags)
        try:
            first_line = process.stderr.readline().decode()
            deadline = time.monotonic() + harness.PATIENCE
            while len(os.listdir(path(out, "faces/train/id_00000")) if os.path.exists(path(out, "faces/train/id_00000")) else []) < 3:
                self.assertLess(time.monotonic(), deadline, first_line)
                time.sleep(0.01)
            return first_line, sha(f"{out}/{FIRST_IMAGE}")
        finally:
            process.kill()
            process.communicate()

    def test_out_threads_and_seed(self):
        line, seed1 = self.first_image("mine", "--out", "mine", "--threads", 1)
        self.assertRegex(line, r"^amnet \d.*, (AVX-512|AVX2|AVX|SSE2|NEON|scalar), cpu with 1 thread\(s\): drawing \d+ faces of \d+ people\n$")
        line, again = self.first_image("mine2", "--out", "mine2", "--threads", 2, "--seed", 1)
        self.assertIn("2 thread(s)", line)
        self.assertEqual(again, seed1)
        self.assertNotEqual(self.first_image("mine3", "--out", "mine3", "--seed", 2)[1], seed1)

    def test_without_a_folder_it_takes_the_next_free_one(self):
        self.first_image("runs/first", "--threads", 1)
        self.first_image("runs/first-2")
        self.assertTrue(os.path.exists(path("runs/first")))

    def test_it_does_not_write_over_a_run(self):
        write("taken/train.log", "2025-01-01 12:00:00 a run\n")
        self.refused(2, ["--out", "taken"], "--out", "taken")

    def test_the_first_run_before_the_training(self):
        process = start("--out", "early", "--threads", 1)
        while not os.path.exists(path("early", "faces", "train")) and process.poll() is None:
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        result = finish(process)
        self.assertEqual((result.code, os.path.exists(path("early"))), (130, False), repr(result))
        self.assertIn("the same command starts anew", result.err)


if __name__ == "__main__":
    harness.main()
