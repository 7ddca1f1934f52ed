"""examples/sphere: the same bytes from the same seed, pictures that are XML, and the reader of IDX files.

    sphere_test.py --program build/release/examples/sphere/sphere
"""
import argparse
import random
import struct
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree as xml
from pathlib import Path

SHORT = ("--count", 600, "--steps", 12, "--batch", 32, "--threads", 1)
LOSSES = ("softmax", "normface", "sphereface", "arcface", "amsoftmax-0.2", "amsoftmax-0.35", "amsoftmax-0.5", "amsoftmax-wo-fn", "curricularface",
          "adaface")

arguments = None


def run(*flags):
    return subprocess.run([arguments.program, *map(str, flags)], capture_output=True, text=True)


def idx(*extents, values):
    return struct.pack(f">I{len(extents)}I", 0x800 + len(extents), *extents) + bytes(values)


class Sphere(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name)

    def draw(self, name, *flags):
        result = run("--out", self.folder / name, *flags)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout, (self.folder / name / "sphere.svg").read_text()

    def test_all_losses(self):
        told, svg = self.draw("all", *SHORT)
        self.assertEqual([line.split()[0] for line in told.splitlines()[:-1]], list(LOSSES))
        root = xml.fromstring(svg)
        marks = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text") if text.get("font-weight") == "600" and len(text.text) == 1]
        self.assertEqual(marks, [str(i) for i in range(10)] * len(LOSSES))
        page = (self.folder / "all" / "report.html").read_text()
        self.assertIn("<svg", page)
        self.assertIn("data:image/jpeg", page)

    def test_the_seed_decides(self):
        chosen = (*SHORT, "--losses", "amsoftmax-0.35,softmax")
        told, svg = self.draw("a", *chosen)
        again, same = self.draw("b", *chosen)
        other = self.draw("c", *chosen, "--seed", 2)[1]
        self.assertEqual(svg, same)
        self.assertEqual(told.splitlines()[:-1], again.splitlines()[:-1])
        self.assertNotEqual(svg, other)

    def test_learns(self):
        told, _ = self.draw("longer", "--count", 1200, "--steps", 150, "--batch", 64, "--threads", 1, "--losses", "softmax")
        self.assertGreater(float(told.split()[2]), 40)  # chance: 10

    def write(self, name, content):
        path = self.folder / name
        path.write_bytes(content)
        return path

    def test_reads_idx(self):
        draw = random.Random(1)
        labels = [i % 3 for i in range(60)]
        # A bright row for each class.
        pixels = [255 * (row == 2 * label) if draw.random() < 0.9 else 30 for label in labels for row in range(6) for _ in range(5)]
        images = self.write("images", idx(60, 6, 5, values=pixels))
        told, svg = self.draw("read", "--images", images, "--labels", self.write("labels", idx(60, values=labels)), "--steps", 40, "--batch", 16,
                              "--threads", 1, "--losses", "softmax")
        xml.fromstring(svg)
        self.assertEqual(float(told.split()[2]), 100)

    def test_refuses_what_is_no_idx(self):
        images, labels = idx(2, 3, 3, values=range(18)), idx(2, values=(0, 1))
        cases = [
            ("no such file", None, labels),
            ("has only 3 bytes", b"\0\0\x08", labels),
            ("begins with 0x00000803, but it begins with 0x00000801", labels + bytes(20), labels),
            ("begins with 0x00000801, but it begins with 0x00000803", images, images),
            ("it has 17 bytes of 18", images[:-1], labels),
            ("it has 19 bytes of 18", images + b"\0", labels),
            ("of more than", struct.pack(">4I", 0x803, *3 * [0xFFFFFFFF]) + b"\0", labels),
            ("extent 2 is 0", struct.pack(">4I", 0x803, 2, 0, 3), labels),
            ("unpack it with gunzip", b"\x1f\x8b" + bytes(30), labels),
            ("a label for each of the 2 images", images, idx(3, values=(0, 1, 0))),
            ("the largest is 10", images, idx(2, values=(0, 10))),
            ("the largest is 0", images, idx(2, values=(0, 0))),
        ]
        for sentence, first, second in cases:
            with self.subTest(sentence):
                a = self.write("images", first) if first is not None else self.folder / "absent"
                result = run("--images", a, "--labels", self.write("labels", second), "--out", self.folder / "none")
                self.assertEqual(result.returncode, 3, result.stderr)
                self.assertIn(sentence, result.stderr)
                self.assertEqual(len(result.stderr.splitlines()), 1)
                self.assertFalse((self.folder / "none").exists())

    def test_refuses_wrong_options(self):
        for flags, sentence in ((("--images", "a"), "give both"), (("--losses", "hinge"), "expected some of softmax, normface"),
                                (("--steps", "0"), "--steps"), (("--points", "2000"), "--points")):
            with self.subTest(flags):
                result = run("--out", self.folder / "none", *flags)
                self.assertEqual(result.returncode, 2, result.stderr)
                self.assertIn(sentence, result.stderr)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    arguments, rest = parser.parse_known_args()
    unittest.main(argv=[__file__, *rest])
