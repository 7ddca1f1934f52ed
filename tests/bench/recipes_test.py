"""./run experiment recipes and split, at a tiny size on drawn faces.

    recipes_test.py --build build/release
"""
import argparse
import csv
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent

arguments = None


def python(script, *words):
    return subprocess.run([sys.executable, HERE / script, *map(str, words)], capture_output=True, text=True)


class Search(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.temporary.cleanup)
        cls.folder = Path(cls.temporary.name)
        cls.faces = cls.folder / "faces"
        synth = [Path(arguments.build) / "examples/train_face/train_face", "synth", "--out", cls.faces, "--identities", "40", "--images", "4"]
        subprocess.run(synth, check=True, capture_output=True)

    def split(self, out, *more):
        result = python("split_people.py", self.faces / "list.txt", "--people", 20, "--pairs", 4, "--out", self.folder / out, *more)
        self.assertEqual(result.returncode, 0, result.stderr)
        return (self.folder / out / "train_list.txt").read_text(), (self.folder / out / "pairs.txt").read_text()

    def test_a_split_has_nobody_on_both_sides(self):
        train, pairs = self.split("split")
        trained = {line.split("/")[-2] for line in train.splitlines()}
        lines = [line.split("\t") for line in pairs.splitlines()]
        self.assertEqual((lines[0], len(lines)), (["10", "4"], 1 + 10 * 8))
        apart = {word for words in lines[1:] for word in words if not word.isdigit()}
        self.assertEqual((len(trained), len(train.splitlines())), (20, 80))
        self.assertLessEqual(len(apart), 20)
        self.assertFalse(trained & apart)
        folds = [{word for words in lines[1 + 8 * fold:9 + 8 * fold] for word in words if not word.isdigit()} for fold in range(10)]
        self.assertEqual(sum(len(fold) for fold in folds), len(apart), "a person is in one fold")
        self.assertEqual(len({tuple(words) for words in lines[1:]}), 80, "no pair comes twice")
        for fold in range(10):
            lengths = [len(words) for words in lines[1 + 8 * fold:9 + 8 * fold]]
            self.assertEqual(lengths, [3] * 4 + [4] * 4)
        self.assertEqual(self.split("again"), (train, pairs), "the same seed draws the same")
        self.assertNotEqual(self.split("other", "--seed", 2), (train, pairs))

    def test_a_split_that_cannot_be_is_refused(self):
        result = python("split_people.py", self.faces / "list.txt", "--people", 20, "--pairs", 100, "--out", self.folder / "none")
        self.assertIn("a fold of 2 people has 12 pairs of one person, and --pairs asks for 100", result.stderr)
        result = python("split_people.py", self.faces / "list.txt", "--people", 10, "--pairs", 4, "--out", self.folder / "none")
        self.assertIn("a fold of 1 people has fewer pairs of different people than the 4 that --pairs asks for", result.stderr)
        result = python("split_people.py", self.faces / "list.txt", "--people", 41, "--out", self.folder / "none")
        self.assertIn("40 people have two images, and --people asks for 41", result.stderr)
        (self.folder / "odd.txt").write_text("a/b.jpg 0\n")
        result = python("split_people.py", self.folder / "odd.txt", "--people", 1, "--out", self.folder / "none")
        self.assertIn("line 1 has the path 'a/b.jpg', but pairs need paths that end in NAME/NAME_0001.jpg", result.stderr)
        self.assertFalse((self.folder / "none").exists())

    def test_recipes(self):
        self.split("people")
        recipes = self.folder / "recipes.txt"
        small = "--depth 4 --embedding 16 --batch 8 --warm-up 2"

        def search(text):
            recipes.write_text(text)
            people = self.folder / "people"
            return python("recipes.py", "--root", self.faces, "--train-list", people / "train_list.txt", "--val-root", self.faces, "--val-pairs",
                          people / "pairs.txt", "--recipes", recipes, "--out", self.folder / "out", "--width", 0.0625, "--epochs", 2, "--warm-up", 10,
                          "--build", arguments.build)

        first = search(f"# two\nbase {small}\nfast {small} --lr 0.05  # faster\n")
        self.assertEqual(first.returncode, 0, first.stderr)
        with open(self.folder / "out/recipes.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual([row["name"] for row in rows], ["base", "fast"])
        self.assertEqual(rows[1]["flags"], f"{small} --lr 0.05")
        for row in rows:
            self.assertTrue(40 <= float(row["accuracy"]) <= 100, row)
            self.assertGreater(float(row["feature_norm_growth"]), 0)
        self.assertNotEqual(rows[0]["train_loss"], rows[1]["train_loss"])

        # What is done is kept, and a wrong recipe stops no other.
        before = (self.folder / "out/base/result.json").stat().st_mtime_ns
        second = search(f"base {small}\nwrong {small} --margin 7\nfast {small} --lr 0.02\n")
        self.assertEqual(second.returncode, 5)
        self.assertEqual((self.folder / "out/base/result.json").stat().st_mtime_ns, before)
        self.assertIn("recipes: wrong: train_face ended with exit code", second.stderr)
        self.assertIn("give them another name", second.stderr)
        third = search("base\nbase\n")
        self.assertEqual(third.returncode, 5)
        self.assertIn("line 2: 'base' is there twice", third.stderr)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    arguments, rest = parser.parse_known_args()
    unittest.main(argv=[__file__, *rest])
