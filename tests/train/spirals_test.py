"""examples/train_spirals: under 60 lines, learns, and continues after kill -9 in the middle of an epoch with the same bytes.

    spirals_test.py --program build/release/examples/train_spirals/train_spirals
"""
import argparse
import re
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent.parent / "examples/train_spirals/main.cpp"
FILES = ("model.safetensors", "solver.safetensors", "state.json")

arguments = None


def run(out):
    return subprocess.run([arguments.program, out], capture_output=True, text=True, check=True).stdout


def checkpoints_of(out):
    return sorted(path for path in Path(out).glob("step_*") if (path / "MANIFEST.json").exists())


class Spirals(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name)

    def kill_after(self, out, checkpoint):
        """Starts the program and kills it when that checkpoint exists."""
        process = subprocess.Popen([arguments.program, out], stdout=subprocess.DEVNULL)
        while process.poll() is None and not any(path.name >= checkpoint for path in checkpoints_of(out)):
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        return process.wait()

    def test_is_short(self):
        self.assertLess(len(SOURCE.read_text().splitlines()), 60)

    def test_learns_and_logs(self):
        out = self.folder / "whole"
        told = run(out)
        self.assertGreater(float(re.findall(r"accuracy (\S+)", told)[-1]), 0.95)
        self.assertEqual((out / "metrics.csv").read_text().splitlines()[0],
                         "step,epoch,loss,accuracy,learning_rate,samples_per_second,wait_fraction")
        self.assertIn("Finished 2000 steps", (out / "train.log").read_text())
        self.assertIn("Nothing to do", run(out))

    def test_goes_on_after_kill_to_the_same_bytes(self):
        whole, killed = self.folder / "whole", self.folder / "killed"
        run(whole)
        kills = 0
        for checkpoint in ("step_00000150", "step_00000700", "step_00001350"):  # an epoch has 15.6 steps: each is in the middle of one
            kills += self.kill_after(killed, checkpoint) == -signal.SIGKILL
        self.assertGreaterEqual(kills, 2, "the program was too fast to be killed")
        self.assertIn("Step 2000/2000", run(killed))
        for name in FILES:
            self.assertEqual((whole / "last" / name).read_bytes(), (killed / "last" / name).read_bytes(), name)
        steps = [row.split(",")[0] for row in (killed / "metrics.csv").read_text().splitlines()[1:]]
        self.assertEqual(steps, [str(step) for step in range(100, 2001, 100)])

    def test_refuses_to_go_on_from_a_damaged_run_without_losing_it(self):
        out = self.folder / "damaged"
        run(out)
        newest = checkpoints_of(out)[-1] / "model.safetensors"
        content = bytearray(newest.read_bytes())
        content[-1] ^= 1
        newest.write_bytes(content)
        told = run(out)  # from the checkpoint before
        self.assertIn("step_00002000", told)
        self.assertIn("Step 2000/2000", told)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    arguments, rest = parser.parse_known_args()
    unittest.main(argv=[__file__, *rest])
