#!/usr/bin/env python3
"""A message of train_face that cannot be written (stderr, stdout, its logs) never ends or changes the work; results on stdout that cannot
be written are an error."""

import glob
import os
import re
import signal
import subprocess
import time

import harness
from harness import CliTest, checkpoints, faces, finish, image_of, metrics, pairs, path, read, run, start, train_arguments, wait_for_log, write

FULL = "/dev/full"


def full_disk():
    return os.open(FULL, os.O_WRONLY)
EXAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "examples", "train_face")


def dead_pipe():
    """The writing end of a pipe whose reader is closed."""
    reading, writing = os.pipe()
    os.close(reading)
    return writing


def close(*descriptors):
    """Closes them between fork and exec, as `2>&-` does."""
    def before_exec():
        for descriptor in descriptors:
            os.close(descriptor)
    return before_exec


class Console(CliTest):
    @classmethod
    def setUpClass(cls):
        faces()
        pairs()
        cls().train("model")

    def test_only_the_console_writes(self):
        for name in glob.glob(os.path.join(EXAMPLES, "*.cpp")):
            with open(name) as file:
                text = file.read()
            if os.path.basename(name) != "console.cpp":
                self.assertNotRegex(text, r"std::f?printf|std::f?put[sc]|fmt::print|std::c(out|err)|::write\(", name)

    def test_an_interrupt_with_a_dead_tee_saves(self):
        for out, with_signal, code in [("tee-int", signal.SIGINT, 130), ("tee-term", signal.SIGTERM, 143), ("tee-hup", signal.SIGHUP, 129)]:
            with self.subTest(out=out):
                process = start(*train_arguments(out, "--iterations", 100_000), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
                wait_for_log(out, " Step 3/", process)
                process.stdout.close()  # both ends are in the same tee, which the terminal has just ended
                process.send_signal(with_signal)
                self.assertEqual(process.wait(timeout=harness.PATIENCE), code)
                self.assertEqual(len(checkpoints(out)), 1)
                self.assertIn("<svg", read(f"{out}/report.html"))
                self.assertIn("Stopped on request", read(f"{out}/train.log"))
                process.stdout = None

    def test_nothing_that_training_tells_ends_it(self):
        for name, popen in {"dead": {"stdout": dead_pipe(), "stderr": dead_pipe()},
                            "full": {"stdout": full_disk(), "stderr": full_disk()},
                            "closed": {"stdout": None, "stderr": None, "preexec_fn": close(1, 2)},
                            "all-closed": {"stdout": None, "stderr": None, "preexec_fn": close(0, 1, 2)}}.items():  # fmt: skip
            with self.subTest(name=name):
                self.assertEqual(finish(start(*train_arguments(name), **popen)).code, 0)
                self.assert_same(name, "model")
                for file in ["train.log", "metrics.csv", "report.html"]:
                    self.assertNotIn("train_face:", read(f"{name}/{file}"))

    def test_a_lost_last_line_is_told(self):
        for command in [train_arguments("told"), ["synth", "--out", "told-synth", "--identities", 2, "--images", 1],
                        ["pack", "--root", "faces", "--out", "told.pack"]]:  # fmt: skip
            with open(FULL, "wb") as full:
                result = finish(start(*command, stdout=full))
            self.assertEqual(result.code, 0, repr(result))
            self.assert_one_sentence(result, "standard output", "No space left")

    def test_lost_answers_are_failures(self):
        write("two.txt", f"{image_of(0, 0)} 0\n{image_of(0, 0)} 0\n{image_of(1, 0)} 1\n")
        for command in [["eval", "--model", "model", "--pairs", "pairs.txt", "--root", "faces"],
                        ["compare", "--a", "model", "--b", "model", "--pairs", "pairs.txt", "--root", "faces"],
                        ["extract", "--model", "model", "--root", "faces", "--out", "lost.npy"],
                        ["check-data", "--root", "faces"],
                        ["check-data", "--root", "faces", "--train-list", "two.txt"],
                        ["bench", "--depth", 4, "--width", 0.0625, "--batch", 1, "--iterations", 1, "--classes", 2],
                        ["--help"], ["eval", "--help"]]:  # fmt: skip
            for popen, reason in [({"stdout": full_disk()}, "No space left"), ({"stdout": dead_pipe()}, "Broken pipe"),
                                  ({"stdout": None, "preexec_fn": close(1)}, "Bad file descriptor")]:  # fmt: skip
                with self.subTest(command=command, reason=reason):
                    result = finish(start(*command, **popen))
                    self.assertEqual(result.code, 4, repr(result))
                    self.assert_one_sentence(result, "standard output", reason)
        self.assertTrue(os.path.exists(path("lost.npy")), "what goes to files is written all the same")
        same = dead_pipe()
        self.assertEqual(finish(start("--help", stdout=same, stderr=same)).code, 4)

    def test_no_output_takes_the_number_of_a_closed_stderr(self):
        result = finish(start("extract", "--model", "model", "--root", "faces", "--out", "clean.npy", "--bad-images", "skip",
                              stderr=None, preexec_fn=close(2)))  # fmt: skip
        self.assertEqual(result.code, 0, repr(result))
        self.ok("extract", "--model", "model", "--root", "faces", "--out", "clean-2.npy")
        self.assertEqual(harness.sha("clean.npy"), harness.sha("clean-2.npy"))

    def test_a_pipe_that_is_full_is_waited_for(self):
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        command = start("check-data", "--root", "faces", "--train-list", self.many_findings(), stdout=writing)
        os.close(writing)
        time.sleep(0.5)  # by now more has been found than fits into a pipe
        text = b""
        while chunk := os.read(reading, 1 << 16):
            text += chunk
        os.close(reading)
        self.assertEqual(finish(command).code, 3)
        self.assertEqual(text.count(b"is listed already"), 1999)

    def many_findings(self):
        write("many.txt", f"{image_of(0, 0)} 0\n" * 2000 + f"{image_of(1, 0)} 1\n")
        return "many.txt"

    def test_names_cannot_forge_lines_or_command_the_terminal(self):
        name = b"forged\n2026-01-01 12:00:00 Step 9/9\x1b[31m"
        result = finish(start("check-data", "--root", os.fsdecode(name)))
        self.assertEqual(result.code, 3)
        self.assert_one_sentence(result, r"forged\n2026", r"\x1b[31m")


class Logs(CliTest):
    """Files that hold only messages and figures: train.log, metrics.csv, validation.csv."""

    @classmethod
    def setUpClass(cls):
        faces()
        pairs()
        cls().train("model")

    def stands(self, name, out, *flags):
        """Trains where `name` cannot be written, which has no other effect."""
        os.makedirs(path(out), exist_ok=True)
        os.symlink(FULL, path(out, name))
        result = run(*train_arguments(out, *flags))
        self.assertEqual(result.code, 0, repr(result))
        self.assertEqual(len(re.findall(re.escape(name) + r" lacks lines.*No space left", result.err)), 1, "said once\n" + result.err)
        return result

    def test_a_log_on_a_full_disk(self):
        self.stands("train.log", "full-log")
        self.assert_same("full-log", "model")
        self.assertEqual(len(metrics("full-log")), 3)

    def test_a_table_on_a_full_disk(self):
        result = self.stands("metrics.csv", "full-metrics")
        self.assert_same("full-metrics", "model")
        self.assertIn("metrics.csv", read("full-metrics/train.log"))
        self.assertIn(" Step 3/3", result.err)
        flags = ["--val-pairs", "pairs.txt", "--val-root", "faces", "--val-every", 1]
        self.stands("validation.csv", "full-validation", *flags)
        self.train("validated", *flags)
        self.assert_same("full-validation", "validated")


if __name__ == "__main__":
    harness.main()
