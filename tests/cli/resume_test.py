#!/usr/bin/env python3
"""Signals, crashes and resume: a run that was stopped ends with the same bytes as one that was not."""

import os
import random
import re
import shutil
import signal
import time

import harness
from harness import (CliTest, checkpoints, faces, finish, flip_byte, image_of, metrics, pairs, path, read, sha, start, train_arguments,
                     validated_steps, wait_for_log, write)  # fmt: skip

STEPS = 120
RUN = ["--depth", 10, "--iterations", STEPS, "--checkpoint-every", 7, "--log-every", 3, "--lr", 0.003, "--warm-up", 5,
       "--val-pairs", "pairs.txt", "--val-root", "faces", "--val-every", 25]  # fmt: skip
TIMINGS = ["samples_per_second", "wait_fraction"]


def table(out):
    return [{key: value for key, value in row.items() if key not in TIMINGS} for row in metrics(out)]


def steps_of_log(out, pattern):
    return [int(step) for step in re.findall(pattern, read(f"{out}/train.log"))]


class Resume(CliTest):
    @classmethod
    def setUpClass(cls):
        faces()
        pairs()
        if not os.path.exists(path("whole")):
            cls().train("whole", *RUN)

    def fresh(self, out):
        shutil.rmtree(path(out), ignore_errors=True)
        return out

    def start_run(self, out, *flags):
        return start(*train_arguments(out, *RUN, *flags))

    def resume(self, out, *flags):
        return self.ok(*train_arguments(out, *RUN, "--resume", "auto", *flags, without=flags))

    def stop(self, out, at, with_signal, *flags, code):
        """Starts or resumes, and sends the signal once the log is at step `at`."""
        process = self.start_run(out, "--resume", "auto", *flags)
        wait_for_log(out, f"Step {at}/", process)
        process.send_signal(with_signal)
        result = finish(process)
        self.assertEqual(result.code, code, repr(result))
        return result

    def assert_as_if_never_stopped(self, out):
        self.assert_same(out, "whole")
        self.assertEqual(table(out), table("whole"))
        self.assertEqual(read(f"{out}/validation.csv"), read("whole/validation.csv"))
        for pattern in [r"  Step (\d+)/", r"\[val\]\[(\d+)\]"]:
            self.assertEqual(steps_of_log(out, pattern), steps_of_log("whole", pattern))
        saved = steps_of_log(out, r"saved step_(\d+)")
        self.assertEqual(saved, sorted(saved))
        self.assertEqual(os.readlink(path(out, "best")), os.readlink(path("whole/best")))
        self.assertEqual(os.readlink(path(out, "last")), f"step_{STEPS:08}")


class Signals(Resume):
    def test_stopped_by_a_signal_and_resumed(self):
        for at, with_signal, code, more in [(3, signal.SIGTERM, 143, []), (48, signal.SIGINT, 130, ["--workers", 3]),
                                            (99, signal.SIGTERM, 143, ["--threads", 2, "--workers", 2])]:  # fmt: skip
            with self.subTest(at=at):
                out = self.fresh(f"stopped-{at}")
                began = time.monotonic()
                result = self.stop(out, at, with_signal, code=code)
                self.assertLess(time.monotonic() - began, 60)
                (stopped_at,) = steps_of_log(out, r"Stopped on request after step (\d+) of 120")
                self.assertIn(f"saved step_{stopped_at:08}", read(f"{out}/train.log"))
                self.assertIn(f"Stopped after {stopped_at} of 120 steps", result.out)
                self.assertIn("<svg", read(f"{out}/report.html"))
                resumed = self.resume(out, *more)
                self.assertIn(f"Resumed from {out}/step_{stopped_at:08} at step {stopped_at}", resumed.err)
                self.assert_as_if_never_stopped(out)

    def test_stopped_again_and_again(self):
        out = self.fresh("often")
        generator = random.Random(1)
        at = 0
        for _ in range(4):
            at = at + 3 * generator.randrange(1, 5)
            self.stop(out, at, signal.SIGTERM, "--threads", generator.randrange(1, 3), code=143)
            at = 3 * (steps_of_log(out, r"saved step_(\d+)")[-1] // 3)
        self.resume(out)
        self.assert_as_if_never_stopped(out)

    def test_stopped_while_verifying(self):
        verifying = ["--depth", 20, "--batch", 2, "--iterations", 4, "--checkpoint-every", 100, "--val-every", 1, "--val-pairs", "pairs.txt",
                     "--val-root", "faces"]  # fmt: skip
        self.train("verifying", *verifying)
        out = self.fresh("interrupted")
        for at in [1, 2, 3, 4]:
            process = start(*train_arguments(out, *verifying, "--resume", "auto"))
            wait_for_log(out, f"Step {at}/4", process)
            process.send_signal(signal.SIGTERM)  # most of a step's time is its verification
            self.assertIn(finish(process).code, [143, 0])
        self.ok(*train_arguments(out, *verifying, "--resume", "auto"))
        self.assert_same(out, "verifying")
        self.assertEqual(validated_steps(out), [1, 2, 3, 4])
        self.assertEqual(read(f"{out}/validation.csv"), read("verifying/validation.csv"))
        self.assertEqual(steps_of_log(out, r"\[val\]\[(\d+)\]"), [1, 2, 3, 4])

    def test_a_snapshot_goes_on(self):
        out = self.fresh("snapshot")
        process = self.start_run(out, "--keep-checkpoints", 99)
        wait_for_log(out, "Step 15/", process)
        process.send_signal(signal.SIGUSR1)
        self.assertEqual(finish(process).code, 0)
        extra = set(steps_of_log(out, r"saved step_(\d+)")) - set(steps_of_log("whole", r"saved step_(\d+)"))
        self.assertLessEqual(len(extra), 1)  # none where the signal came at a step that is saved anyway
        self.assertTrue(all(step % 7 for step in extra))
        for step in extra:
            self.assertIn(f"step_{step:08}", checkpoints(out))
        self.assert_as_if_never_stopped(out)

    def test_a_second_signal_ends_it_at_once(self):
        process = start("--out", self.fresh("second"), "--threads", 1)
        deadline = time.monotonic() + harness.PATIENCE
        while not os.path.exists(path("second/faces")) and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.1)  # two signals at the same time count as one
        process.send_signal(signal.SIGTERM)
        self.assertEqual(finish(process).code, 143)


class Kills(Resume):
    def test_killed_and_resumed(self):
        for at, more in [(6, []), (51, ["--workers", 2]), (111, ["--threads", 2])]:
            with self.subTest(at=at):
                out = self.fresh(f"killed-{at}")
                self.stop(out, at, signal.SIGKILL, code=137)
                self.resume(out, *more)
                self.assert_as_if_never_stopped(out)

    def test_killed_and_resumed_with_augmentation_and_balanced_people(self):
        flags = ["--augment", "strong", "--sampling", "balanced"]
        self.train("augmented", *RUN, *flags)
        out = self.fresh("killed-augmented")
        self.stop(out, 51, signal.SIGKILL, *flags, code=137)
        self.resume(out, *flags, "--workers", 4)
        self.assert_same(out, "augmented")
        self.assertEqual(table(out), table("augmented"))
        self.assertEqual(sha(f"{out}/augmented.jpg"), sha("augmented/augmented.jpg"))

    def test_killed_between_a_checkpoint_and_the_links_to_it(self):
        out = self.fresh("links")
        shutil.copytree(path("whole"), path(out), symlinks=True)
        for link in ["last", "best"]:
            os.remove(path(out, link))
        self.resume(out)
        self.assert_as_if_never_stopped(out)


class Directories(Resume):
    def copy_of_whole(self, out):
        self.fresh(out)
        shutil.copytree(path("whole"), path(out), symlinks=True)
        return out

    def test_a_run_is_not_started_over(self):
        before = sha("whole/train.log")
        self.refused(2, train_arguments("whole", *RUN), "whole", "120 steps", "--resume auto", "--out")
        self.assertEqual(sha("whole/train.log"), before)

    def test_resuming_what_is_done_or_was_never_begun(self):
        out = self.copy_of_whole("done")
        result = self.resume(out)
        self.assertIn("Nothing to do: the run is at step 120 of 120", result.err)
        self.assert_as_if_never_stopped(out)
        self.fresh("begun")
        self.resume("begun")
        self.assert_as_if_never_stopped("begun")

    def test_a_longer_run_goes_on(self):
        out = self.copy_of_whole("longer")
        self.ok(*train_arguments(out, *[124 if flag == STEPS else flag for flag in RUN], "--resume", "auto"))
        self.assertEqual(checkpoints(out)[-1], "step_00000124")
        self.assertIn("Setting changed since the checkpoint: iterations = 124, was 120", read(f"{out}/train.log"))

    def test_a_damaged_checkpoint_is_skipped_and_named(self):
        for file in ["model.safetensors", "solver.safetensors", "state.json", "MANIFEST.json"]:
            with self.subTest(file=file):
                out = self.copy_of_whole("damaged")
                previous = checkpoints(out)[-2]
                flip_byte(f"{out}/step_{STEPS:08}/{file}", at=40)
                result = self.resume(out)
                self.assertRegex(result.err, rf"skipped the damaged checkpoint step_{STEPS:08}: .*{file}")
                self.assertIn(f"Resumed from {out}/{previous}", result.err)
                self.assert_as_if_never_stopped(out)
        out = self.copy_of_whole("damaged")
        for name in checkpoints(out):
            flip_byte(f"{out}/{name}/model.safetensors")
        self.refused(2, train_arguments(out, *RUN), out, "--resume auto")
        self.resume(out)
        self.assert_as_if_never_stopped(out)

    def test_resume_from_a_named_checkpoint(self):
        out = self.copy_of_whole("named")
        older = [name for name in checkpoints(out) if name != f"step_{STEPS:08}"][-1]
        named = ["--resume", f"{out}/{older}"]
        # A later --resume auto would take step 120 of the old branch, not the checkpoint that this
        # run wrote.
        self.refused(2, train_arguments(out, *RUN, *named), older, f"step {STEPS}", "--out")
        self.fresh("branch")
        self.ok(*train_arguments("branch", *RUN, *named))
        self.assert_same("branch", "whole")
        self.refused(2, train_arguments("branch", *RUN, "--resume", f"{out}/last"), "branch", "--out")
        shutil.rmtree(path(out, f"step_{STEPS:08}"))
        os.remove(path(out, "last"))
        self.ok(*train_arguments(out, *RUN, *named))
        self.assert_as_if_never_stopped(out)
        flip_byte(f"{out}/last/model.safetensors")
        self.refused(3, train_arguments(out, *RUN, "--resume", f"{out}/last"), "model.safetensors", "checksum")
        self.refused(4, train_arguments("elsewhere", *RUN, "--resume", "absent"), "absent")

    def test_another_run_is_not_resumed(self):
        write("other.txt", "".join(f"{image_of(i, j)} {i}\n" for i in range(12) for j in reversed(range(6))))
        for flags, what in [(["--batch", 4], "--batch"), (["--seed", 2], "--seed"), (["--accumulate", 2], "--accumulate"),
                            (["--classes", 13], "--classes"), (["--train-list", "other.txt"], "list"), (["--mean", 128], "--mean"),
                            (["--channel-order", "rgb"], "--channel-order"), (["--width", 0.125], "--width"),
                            (["--embedding", 24], "--embedding")]:  # fmt: skip
            with self.subTest(flags=flags):
                self.refused(2, train_arguments("whole", *RUN, "--resume", "auto", *flags), what)

    def test_a_changed_setting_is_told(self):
        out = self.copy_of_whole("changed")
        shutil.rmtree(path(out, f"step_{STEPS:08}"))
        result = self.resume(out, "--margin", 0.2, "--threads", 2)
        self.assertIn("Setting changed since the checkpoint: margin = 0.2, was 0.35", result.err)
        self.assertEqual(result.err.count("Setting changed"), 1, "threads change nothing")


if __name__ == "__main__":
    harness.main()
