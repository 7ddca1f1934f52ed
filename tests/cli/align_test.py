#!/usr/bin/env python3
"""train_face align: flags, what it writes, a kill at any moment, and wrong input."""

import csv
import os
import re
import shutil
import signal
import time

from harness import CliTest, finish, path, read, run, start, write
import harness

SHARED = os.environ.get("AMNET_SHARED") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../shared")


def tree(folder):
    found = {}
    for at, _, names in os.walk(path(folder)):
        for name in names:
            if name != ".lock":
                with open(os.path.join(at, name), "rb") as file:
                    found[os.path.relpath(os.path.join(at, name), path(folder))] = file.read()
    return found


def rows(name):
    with open(path(name), newline="") as file:
        return list(csv.DictReader(file))


class Align(CliTest):
    @classmethod
    def setUpClass(cls):
        cls().ok("synth", "--out", "photographs", "--identities", 8, "--images", 3, "--seed", 4, "--photographs")

    def align(self, out, *flags):
        return run("align", "--in", "photographs", "--landmarks", "photographs/landmarks.csv", "--out", out, *flags)

    def test_faces(self):
        result = self.align("plain")
        self.assertEqual((result.code, result.out), (0, "24 faces of 24 photographs in plain; 0 rejected; plain/align.html shows them\n"), repr(result))
        self.ok("check-data", "--root", "plain")
        faces = rows("plain/faces.csv")
        self.assertEqual(len(faces), 24)
        self.assertEqual(faces[0]["picture"], "id_00000/id_00000_0001.jpg")
        self.assertLess(max(float(face["misfit"]) for face in faces), 0.05)
        page = read("plain/align.html")
        for words in ("Aligned faces", "100.0 %", "Distance of the eyes", "Roll", "Misfit", "photographs/landmarks.csv"):
            self.assertIn(words, page)
        # The table that it wrote is a table that it reads, to the same pictures.
        self.ok("align", "--in", "photographs", "--landmarks", "plain/faces.csv", "--out", "again")
        for name, content in tree("plain").items():
            if name.endswith(".jpg"):
                self.assertEqual(content, tree("again")[name], name)

    def test_flags(self):
        result = self.align("arcface", "--template", "112x112", "--format", "png", "--method", "cp2tform", "--threads", 2, "--faces", "largest")
        self.assertEqual(result.code, 0, repr(result))
        self.ok("check-data", "--root", "arcface", "--input", "112x112")
        self.assertTrue(os.path.exists(path("arcface/id_00000/id_00000_0001.png")))
        for quality in (50, 100):
            self.assertEqual(self.align(f"quality-{quality}", "--quality", quality).code, 0)
        low, high = (sum(len(content) for name, content in tree(f"quality-{quality}").items() if name.endswith(".jpg")) for quality in (50, 100))
        self.assertLess(2 * low, high)
        result = self.align("far", "--least-eyes", 45)
        rejected = rows("far/rejected.csv")
        self.assertTrue(0 < len(rejected) < 24, repr(result))
        self.assertRegex(rejected[0]["reason"], r"^the eyes are [\d.]+ pixels apart, and 45 are asked for\.$")
        self.assertIn("Rejected", read("far/align.html"))
        result = self.align("none", "--least-eyes", 10000)
        self.assertEqual(result.code, 3)
        self.assertEqual(self.align("fit", "--most-misfit", 0.00001).code, 3)

    def test_a_kill_loses_nothing(self):
        self.align("whole")
        whole = tree("whole")
        kills = 0
        for attempt in range(40):
            process = start("align", "--in", "photographs", "--landmarks", "photographs/landmarks.csv", "--out", "killed", "--threads", 2)
            time.sleep(0.01 + 0.004 * attempt)
            if process.poll() is None:
                process.send_signal(signal.SIGKILL if attempt % 2 == 0 else signal.SIGINT)
            code = finish(process).code
            self.assertIn(code, (0, 130, 137))
            kills += code != 0
            if code == 0:
                break
        self.assertGreater(kills, 0)
        result = self.align("killed")
        self.assertEqual(result.code, 0, repr(result))
        killed = tree("killed")
        self.assertEqual(set(killed), set(whole))
        for name in whole:
            if name != "align.jsonl":
                self.assertEqual(killed[name], whole[name], name)
        self.assertRegex(self.align("killed").out, "24 of them by an earlier run")

    def test_wrong_input(self):
        self.refused(2, ["align", "--in", "photographs", "--landmarks", "l.csv", "--mtcnn", "m", "--out", "o"], "--mtcnn", "--landmarks")
        self.refused(3, ["align", "--in", "photographs", "--landmarks", "absent.csv", "--out", "o"], "absent.csv")
        write("table.csv", "file,nose_x\n")
        self.refused(3, ["align", "--in", "photographs", "--landmarks", "table.csv", "--out", "o"], "table.csv, line 1", "left_eye_x")
        self.refused(3, ["align", "--in", "absent", "--landmarks", "photographs/landmarks.csv", "--out", "o"], "absent")
        self.refused(4, ["align", "--in", "photographs", "--mtcnn", "photographs", "--out", "o"], "det1.prototxt")
        self.refused(2, ["align", "--in", "photographs", "--landmarks", "photographs/landmarks.csv", "--out", "photographs"], "another folder")
        for flag, value in (("--quality", 0), ("--quality", 101), ("--threads", -1), ("--template", "96x96"), ("--method", "affine"),
                            ("--format", "bmp"), ("--faces", "first"), ("--least-eyes", "x"), ("--most-misfit", 0)):
            self.assertEqual(self.align("o", flag, value).code, 2, (flag, value))
        self.align("settled")
        self.refused(2, ["align", "--in", "photographs", "--landmarks", "photographs/landmarks.csv", "--out", "settled", "--quality", 80], "settled",
                     "jpg 95", "jpg 80")
        self.refused(2, ["align", "--in", "photographs", "--landmarks", "settled/faces.csv", "--out", "settled"], "--landmarks", "--out")
        os.makedirs(path("foreign"))
        write("foreign/mine.jpg", "mine")
        self.assertEqual(self.align("foreign").code, 2)
        self.assertEqual(read("foreign/mine.jpg"), "mine")

    def test_detection(self):
        nets = os.path.join(SHARED, "data/models/mtcnn")
        if not os.path.isdir(nets):
            self.skipTest("the shared data directory is absent")
        os.makedirs(path("raw"), exist_ok=True)
        raw = os.path.join(SHARED, "data/faces/raw")
        for name in sorted(name for name in os.listdir(raw) if re.match(r"lfw_.*\.jpg", name))[:6]:
            shutil.copy(os.path.join(raw, name), path("raw", name))
        flags = ["--min-face", 40, "--factor", 0.6, "--thresholds", 0.6, 0.7, 0.8, "--mirrored-landmarks", "--most-misfit", 20]
        result = run("align", "--in", "raw", "--mtcnn", nets, "--out", "detected", *flags)
        self.assertEqual(result.code, 0, repr(result))
        self.assertGreaterEqual(len(rows("detected/faces.csv")), 5)
        self.assertEqual(len(rows("detected/faces.csv")) + len(rows("detected/rejected.csv")), 6)
        for flag, value in (("--min-face", 11), ("--factor", 1), ("--thresholds", "2 2 2")):
            self.assertEqual(run("align", "--in", "raw", "--mtcnn", nets, "--out", "o", flag, *str(value).split()).code, 2, flag)


if __name__ == "__main__":
    harness.main()
