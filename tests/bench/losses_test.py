"""./run experiment losses: what it makes of settings, tables and times; and, with the programs, a tiny comparison that is stopped, killed and goes on.

    losses_test.py [--build build/release]
"""
import argparse
import contextlib
import io
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path
from unittest import mock

import losses
from losses import LOSSES, Clock, affecting, claim, growth, judged, run_line, thinned
from running import Failure

SCRIPT = Path(losses.__file__)

arguments = None


class Parts(unittest.TestCase):
    def test_annealing_keeps_its_share_of_a_run(self):
        """In 28,000 steps as in the reference code; in a run of half the steps twice as fast."""
        def value(name, steps):
            flags = LOSSES[name].flags(30, steps)
            return flags[flags.index("--anneal-gamma") + 1]

        self.assertAlmostEqual(value("sphereface", 28_000), 0.12)
        self.assertAlmostEqual(value("sphereface", 14_000), 0.24)
        self.assertAlmostEqual(value("amsoftmax-wo-fn", 28_000), 5e-5)
        self.assertAlmostEqual(value("amsoftmax-wo-fn", 700), 2e-3)

    def test_thinning_keeps_the_ends(self):
        self.assertEqual(thinned(range(60)), list(range(60)))
        kept = thinned(range(1000))
        self.assertEqual((len(kept), kept[0], kept[-1]), (60, 0, 999))
        self.assertEqual(kept, sorted(set(kept)))

    def test_growth_is_counted_from_the_warm_up(self):
        rows = [{"step": str(step), "feature_norm": str(norm)} for step, norm in ((10, 1), (20, 5), (30, 20), (40, 10))]
        self.assertEqual(growth(rows, 20), 4)
        self.assertEqual(growth(rows, 0), 20)
        self.assertIsNone(growth(rows, 50))

    def test_flags_without_effect_are_not_settings(self):
        self.assertEqual(affecting(["--threads", "2", "--schedule", "cosine", "--workers=3", "--tensorboard"]), ["--schedule", "cosine", "--tensorboard"])

    def test_pairs(self):
        self.assertEqual(judged([{"correct": "1"}, {"correct": "0"}, {"correct": ""}]), "10-")

    def test_flags_come_last_in_a_result(self):
        result = dict.fromkeys(losses.RUN_COLUMNS, 1)
        header, line = run_line({**result, "feature_norm_growth": None, "depth": 4, "flags": "--lr-steps 0.5,0.75"}).splitlines()
        self.assertEqual(header.split(",")[-2:], ["depth", "flags"])
        self.assertTrue(line.endswith(",4,--lr-steps 0.5,0.75"))
        self.assertIn(",,", line)

    def test_a_folder_is_of_one_comparison(self):
        with tempfile.TemporaryDirectory() as folder:
            claim(Path(folder) / "new", {"width": 0.25, "flags": ""}, "--out")
            claim(Path(folder) / "new", {"width": 0.25, "flags": ""}, "--out")
            with self.assertRaisesRegex(Failure, r"--out: .*settings.json has width '0.25', and this comparison '0.5'; give it a folder of its own"):
                claim(Path(folder) / "new", {"width": 0.5, "flags": ""}, "--out")

    def test_time_left(self):
        with mock.patch("losses.time.monotonic", side_effect=[0, 60, 60, 60]):
            clock = Clock(100, 1)
            self.assertEqual(clock.left(), "time left unknown")
            clock.make(50)
            self.assertEqual(clock.left(), "1 min left")
            self.assertTrue(clock.passed())

    def test_wrong_options(self):
        needed = ["--root", "x", "--train-list", __file__, "--val-root", "x", "--val-pairs", __file__, "--out", "x"]
        for wrong in (["--losses", "hinge"], ["--seeds", "0"], ["--epochs", "0"], ["--train-list", "absent"]):
            with self.subTest(wrong), contextlib.redirect_stderr(io.StringIO()), self.assertRaises(SystemExit) as stopped:
                losses.parse([*needed, *wrong])
            self.assertEqual(stopped.exception.code, 2)
        parsed = losses.parse([*needed, "--losses", "arcface", "softmax", "--", "--threads", "1"])
        self.assertEqual((parsed.losses, parsed.flags), (["softmax", "arcface"], ["--threads", "1"]))


class Runs(unittest.TestCase):
    """Two losses and two seeds on drawn faces."""

    @classmethod
    def setUpClass(cls):
        if arguments is None or arguments.build is None:
            raise unittest.SkipTest("no --build")
        cls.temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.temporary.cleanup)
        cls.folder = Path(cls.temporary.name)
        synth = [Path(arguments.build) / "examples/train_face/train_face", "synth", "--out", cls.folder / "faces", "--identities", "12", "--images", "6"]
        subprocess.run(synth, check=True, capture_output=True)
        lines = ["3\t4"]
        for fold in range(3):
            people = range(4 * fold, 4 * fold + 4)
            lines += [f"id_{p:05}\t1\t2" for p in people]
            lines += [f"id_{p:05}\t1\tid_{q:05}\t2" for p, q in zip(people, [*people[1:], people[0]])]
        (cls.folder / "pairs.txt").write_text("\n".join(lines) + "\n")

    def command(self, out, *more, epochs=10):
        faces = self.folder / "faces"
        own = ["--root", faces, "--train-list", faces / "list.txt", "--val-root", faces, "--val-pairs", self.folder / "pairs.txt", "--out",
               self.folder / out, "--losses", "softmax", "amsoftmax-0.35", "--seeds", 1, 2, "--epochs", epochs, "--depth", 4, "--width", 0.0625,
               "--batch", 8, "--warm-up", 5, "--build", arguments.build]
        return [str(part) for part in [sys.executable, SCRIPT, *own, *more, "--", "--threads", 1, "--embedding", 16]]

    def start(self, *more, **changes):
        return subprocess.run(self.command(*more, **changes), capture_output=True, text=True)

    def results(self, out):
        return {path.name: path.read_bytes() for path in (self.folder / out / "results").glob("*.*.*") if "settings" not in path.name}

    def test_whole_stopped_and_killed_comparisons_have_the_same_results(self):
        whole = self.start("whole")
        self.assertEqual(whole.returncode, 0, whole.stderr)
        results = self.results("whole")
        self.assertEqual(len(results), 4 * 3)
        lines = whole.stdout.splitlines()
        self.assertRegex(lines[2], r"^\| Softmax \| – \| [\d.]+ ± [\d.]+ \|.*(equal|better|worse): [+-][\d.]+ \[.*\].* 2 \|$")
        self.assertRegex(lines[3], r"^\| AM-Softmax \| 0.35 \| .*\| – \|.* 2 \|$")
        self.assertEqual((self.folder / "whole/results/table.md").read_text(), whole.stdout)
        self.assertGreaterEqual((self.folder / "whole/results/report.html").read_text().count("<svg"), 4)

        # Stopped by the time limit, again and again.
        starts = 0
        while len(self.results("pieces")) < 12:
            starts += 1
            self.assertLess(starts, 100)  # a start on a busy machine may reach no step
            piece = self.start("pieces", "--time-limit", 0.05)
            self.assertEqual(piece.returncode, 0, piece.stderr)
        self.assertEqual(self.results("pieces"), results)

        # Killed, with the training in progress.
        process = subprocess.Popen(self.command("killed"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            while not any((self.folder / "killed").glob("*-1/step_*")):
                self.assertIsNone(process.poll())
                time.sleep(0.01)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
        deadline = time.monotonic() + 120
        while len(self.results("killed")) < 12:  # the program it had started ends first
            self.assertLess(time.monotonic(), deadline)
            self.start("killed")
        self.assertEqual(self.results("killed"), results)

        # Pieces of two sessions are merged by copying their files.
        merged = self.folder / "merged"
        merged.mkdir()
        for name, content in {**self.results("pieces"), **self.results("killed")}.items():
            (merged / name).write_bytes(content)
        table = subprocess.run([Path(arguments.build) / "examples/losses_table/losses_table", merged, self.folder / "pairs.txt"], capture_output=True,
                               text=True)
        self.assertEqual(table.stdout, whole.stdout, table.stderr)

        other = self.start("whole", epochs=11)
        self.assertEqual(other.returncode, 1)
        self.assertIn("give it a folder of its own", other.stderr)
        mixed = merged / "softmax.1.run.csv"
        mixed.write_text(mixed.read_text().replace(",0.0625,", ",0.125,"))
        table = subprocess.run([Path(arguments.build) / "examples/losses_table/losses_table", merged, self.folder / "pairs.txt"], capture_output=True,
                               text=True)
        self.assertEqual(table.returncode, 3)
        self.assertIn("its width is", table.stderr)

    def test_a_failed_run_is_reported_and_the_others_go_on(self):
        result = self.start("wrong", "--seeds", 1, "--lr", 1e30)
        self.assertEqual(result.returncode, 1)
        self.assertIn("train_face ended with exit code 5", result.stderr)
        self.assertEqual(result.stderr.count("FAILED"), 2)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--build")
    arguments, rest = parser.parse_known_args()
    unittest.main(argv=[__file__, *rest])
