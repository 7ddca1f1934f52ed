#!/usr/bin/env python3
"""An error that ends a run does not lose its progress: the state of the last complete step is saved, and the run continues from it with the
same result."""

import os
import re
import resource
import shutil
import signal

import harness
from harness import (CliTest, checkpoints, faces, finish, metrics, pairs, path, read, run, start, train_arguments, validated_steps,
                     wait_for_log, write)  # fmt: skip

TIMINGS = ["samples_per_second", "wait_fraction"]
BAD = "faces/id_00003/id_00003_0002.jpg"
VERIFY = ["--val-pairs", "pairs.txt", "--val-root", "test"]


def table(out):
    return [{key: value for key, value in row.items() if key not in TIMINGS} for row in metrics(out)]


class KeptState(CliTest):
    @classmethod
    def setUpClass(cls):
        faces()
        pairs()

    def setUp(self):
        self.good = read(BAD, "rb")
        shutil.rmtree(path("test"), ignore_errors=True)
        shutil.copytree(path("faces"), path("test"))

    def tearDown(self):
        write(BAD, self.good)

    def fresh(self, out):
        shutil.rmtree(path(out), ignore_errors=True)
        return out

    def assert_saved(self, out, result, code, step):
        """Ended with `code` and one sentence, and the state after `step` is in the newest checkpoint."""
        self.assertEqual(result.code, code, repr(result))
        self.assert_one_sentence(result)
        newest = f"step_{step:08}"
        self.assertEqual(checkpoints(out)[-1], newest, repr(result))
        self.assertIn(f"The state after step {step} is saved in {out}/{newest}", result.err)
        self.assertIn("--resume auto", result.err)
        self.assertIn("Ended by an error: ", read(f"{out}/train.log"))
        self.assertIn("<svg", read(f"{out}/report.html"))

    def test_a_bad_training_picture(self):
        for number, flags in enumerate([[], ["--accumulate", 2, "--batch", 4], ["--weight-norm", "in-place", "--log-every", 4]]):
            with self.subTest(flags=flags):
                flags = ["--iterations", 14, "--seed", 5, *VERIFY, "--val-every", 3, *flags]
                whole, out = f"whole-{number}", self.fresh(f"bad-{number}")
                self.train(whole, *flags)
                write(BAD, "bad")
                result = run(*train_arguments(out, *flags))
                step = int(re.search(r"The state after step (\d+) is saved", result.err)[1])
                self.assertIn(os.path.basename(BAD), result.error[0])
                self.assert_saved(out, result, 3, step)
                self.assertGreater(step, 0)
                again = run(*train_arguments(out, *flags, "--resume", "auto"))
                self.assert_saved(out, again, 3, step)
                # A picture that was decoded ahead and is not needed does not end the run.
                self.train("ahead", *flags[:1], step, *flags[2:])
                write(BAD, self.good)
                self.ok(*train_arguments(out, *flags, "--resume", "auto"))
                self.assert_same(whole, out)
                self.assertEqual(table(whole), table(out))
                self.assertEqual(read(f"{whole}/validation.csv"), read(f"{out}/validation.csv"))

    def test_a_picture_of_the_verification_is_met_before_the_first_step(self):
        write("test/id_00003/id_00003_0001.jpg", "bad")
        out = self.fresh("unverified")
        flags = ["--iterations", 400, "--val-every", 300, *VERIFY]
        result = self.refused(3, train_arguments(out, *flags), "pairs.txt:5: test/id_00003/id_00003_0001.jpg", "not an image")
        self.assertNotIn("Step 1/", result.err)
        self.assertEqual(checkpoints(out), [])
        shutil.copy(path("faces/id_00003/id_00003_0001.jpg"), path("test/id_00003/id_00003_0001.jpg"))
        write("test/id_00004/id_00004_0002.jpg", b"P6\n4 4\n255\n" + bytes(48))
        self.refused(3, train_arguments(out, *flags), "id_00004_0002.jpg is 4x4", "112x96")
        self.ok(*train_arguments(out, *VERIFY, "--val-every", 0))  # no verification follows

    def test_a_bad_picture_of_the_verification_that_is_skipped_is_told_once(self):
        write("test/id_00003/id_00003_0001.jpg", "bad")
        self.train("skipped", "--iterations", 4, *VERIFY, "--val-every", 2, "--bad-images", "skip")
        log = read("skipped/train.log")
        self.assertEqual(log.count("Skipped a bad image"), 1)
        self.assertLess(log.index("Skipped a bad image"), log.index("Step 1/4"))
        self.assertEqual(validated_steps("skipped"), [2, 4])
        self.assertEqual(log.count("failed 1"), 2)

    def test_a_verification_that_fails_in_the_middle_of_a_run_is_made_up(self):
        flags = ["--iterations", 9, *VERIFY, "--val-every", 6, "--depth", 10]
        self.train("whole-v", *flags)
        out = self.fresh("lost")
        process = start(*train_arguments(out, *flags))
        wait_for_log(out, "Step 1/", process)
        os.remove(path("test/id_00003/id_00003_0001.jpg"))
        self.assert_saved(out, finish(process), 3, 6)
        self.assertEqual(validated_steps(out), [])
        shutil.copy(path("faces/id_00003/id_00003_0001.jpg"), path("test/id_00003/id_00003_0001.jpg"))
        self.ok(*train_arguments(out, *flags, "--resume", "auto"))
        self.assert_same("whole-v", out)
        self.assertEqual(read("whole-v/validation.csv"), read(f"{out}/validation.csv"))

    def test_a_save_that_fails_is_told_beside_the_error(self):
        out = self.fresh("unsaved")
        write(BAD, "bad")
        # The log can still be written then, but not the weights.
        limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
        result = finish(start(*train_arguments(out, "--iterations", 14, "--seed", 5), preexec_fn=limit))
        self.assertEqual(result.code, 3, repr(result))
        self.assert_one_sentence(result, os.path.basename(BAD))
        self.assertRegex(result.err, r"The state after step \d+ could not be saved: .*model.safetensors")
        self.assertRegex(result.err, r"The state after step \d+ is not saved\.")
        self.assertEqual(checkpoints(out), [])

    def test_a_resume_from_elsewhere_that_fails_at_once_has_a_checkpoint_of_its_own(self):
        self.train("elsewhere", "--iterations", 3)
        write(BAD, "bad")
        seen = [run(*train_arguments(self.fresh("branch"), "--iterations", 14, "--resume", "elsewhere/last"))]
        step = int(re.search(r"The state after step (\d+) is saved", seen[0].err)[1])
        self.assert_saved("branch", seen[0], 3, step)

    def test_nothing_to_do_shows_what_was_reached(self):
        done = self.train("reached", "--iterations", 5, "--log-every", 2, *VERIFY)
        again = self.ok(*train_arguments("reached", "--iterations", 5, "--log-every", 2, *VERIFY, "--resume", "auto"))
        self.assertIn("Nothing to do", again.err)
        self.assertEqual(done.out, again.out)
        self.assertRegex(again.out, r"loss [1-9][\d.]+, accuracy [\d.]+ %, verification ")
        os.remove(path("reached/metrics.csv"))
        os.remove(path("reached/validation.csv"))
        unknown = self.ok(*train_arguments("reached", "--iterations", 5, "--log-every", 2, *VERIFY, "--resume", "auto"))
        self.assertRegex(unknown.out, r"^Trained 5 of 5 steps; model ")

    def test_a_stop_between_two_lines_of_the_log_shows_the_steps_since(self):
        out = self.fresh("between")
        process = start(*train_arguments(out, "--iterations", 100000, "--log-every", 50000, "--checkpoint-every", 5))
        wait_for_log(out, "saved step_", process)
        process.send_signal(signal.SIGTERM)
        result = finish(process)
        self.assertEqual(result.code, 143)
        self.assertRegex(result.out, r"^Stopped after \d+ of 100000 steps, loss [1-9]")


if __name__ == "__main__":
    harness.main()
