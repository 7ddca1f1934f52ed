"""The conclusions of two_builds.py: intervals, verdicts and programs, without measuring anything."""
import random
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from running import Failure  # noqa: E402
from two_builds import Measured, interval_of_median, line_of, program_of, verdict_of  # noqa: E402


class Intervals(unittest.TestCase):
    def test_the_ranks_are_those_of_the_tables(self):
        """95 % for 40 values: the 14th and the 27th (sum of the binomial's tails 0.0385); for 10 the 2nd and the 9th."""
        self.assertEqual(interval_of_median(range(1, 41)), (14, 27))
        self.assertEqual(interval_of_median(range(1, 11)), (2, 9))
        self.assertEqual(interval_of_median([3.0]), (3.0, 3.0))
        self.assertEqual(interval_of_median([5, 1, 3]), (1, 5))

    def test_it_holds_the_median_as_often_as_it_says(self):
        draw = random.Random(1)
        inside = 0
        for _ in range(2000):
            low, high = interval_of_median([draw.expovariate(1) for _ in range(40)])
            inside += low <= 0.693147 <= high
        self.assertGreater(inside / 2000, 0.94)
        self.assertLess(inside / 2000, 0.99)

    def test_verdicts(self):
        self.assertEqual(verdict_of([1.0] * 40, 1.02), "not slower")
        self.assertEqual(verdict_of([1.0] * 26 + [1.5] * 14, 1.02), "SLOWER, or too few pairs to tell")  # the 27th is 1.5
        self.assertEqual(verdict_of([1.0] * 27 + [1.5] * 13, 1.02), "not slower")
        self.assertEqual(verdict_of([1.03] * 40, 1.02), "SLOWER, or too few pairs to tell")

    def test_a_line(self):
        line = line_of("training", [(Measured(0.1, 100), Measured(0.05, 90)), (Measured(0.1, 110), Measured(0.05, 95))], 1.02)
        self.assertEqual(line, ["training", "10.0", "20.0", "0.500", "0.500 … 0.500", "2", "110 / 95", "not slower"])


class Programs(unittest.TestCase):
    def test_programs_and_build_directories(self):
        with tempfile.TemporaryDirectory() as folder:
            program = Path(folder) / "examples/train_face/train_face"
            program.parent.mkdir(parents=True)
            program.touch()
            self.assertEqual(program_of(folder), program)
            self.assertEqual(program_of(program), program)
            with self.assertRaisesRegex(Failure, "there is no train_face here"):
                program_of(Path(folder) / "nothing")


if __name__ == "__main__":
    unittest.main()
