"""The four programs of docs/README.md, run as a reader runs them.

    programs_test.py --page docs/README.md --programs DIR --train-face PROGRAM
"""
import argparse
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

from programs import programs_of

arguments = None


class Programs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.folder = Path(cls.temporary.name)
        subprocess.run([arguments.train_face, "synth", "--out", "drawn", "--identities", "4", "--images", "3"], cwd=cls.folder, check=True,
                       capture_output=True)
        cls.pictures = sorted(cls.folder.glob("drawn/**/*.jpg")) or sorted(cls.folder.glob("drawn/**/*.png"))
        cls.people = cls.pictures[0].parent.parent

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def run_program(self, name, *its_arguments):
        result = subprocess.run([Path(arguments.programs) / f"docs_{name}", *map(str, its_arguments)], cwd=self.folder,
                                capture_output=True, text=True, check=False)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def test_they_are_as_short_as_they_say(self):
        programs = programs_of(Path(arguments.page).read_text())
        self.assertEqual(sorted(programs), ["embed", "faces", "layer", "xor"])
        for name, source in programs.items():
            lines = source[source.index("// program"):].splitlines()[1:]
            of_main = lines[1:-1]
            self.assertLessEqual(len(lines) if name == "layer" else len(of_main), 25 if name == "layer" else 10, name)
            self.assertLessEqual(max(map(len, lines)), 100, name)

    def test_a_net_learns_on_tensors(self):
        losses = list(map(float, self.run_program("xor").splitlines()))
        self.assertEqual(len(losses), 500)
        self.assertLess(losses[-1], 0.05)

    def test_faces_are_trained_and_embedded(self):
        self.assertRegex(self.run_program("faces", self.people, "run"), r"loss \d+\.\d+ after \d+ steps\n\Z")
        self.assertEqual(self.run_program("embed", "run", *self.pictures[:3]), "3 features of 512 values\n")
        self.assertTrue((self.folder / "features.npy").exists())

    def test_the_layer_passes_its_check(self):
        self.assertIn("input 0", self.run_program("layer"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name in ("page", "programs", "train-face"):
        parser.add_argument(f"--{name}", required=True)
    arguments, rest = parser.parse_known_args()
    unittest.main(argv=[__file__, *rest])
