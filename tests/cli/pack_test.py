#!/usr/bin/env python3
"""A training set in one packed file: pack, and --pack in every command that accepts a folder of images."""

import os
import pty
import shutil
import signal
import time

import harness
from harness import (CliTest, column, environment, faces, finish, flip_byte, image_of, pairs, path, read, read_npy, run, sha, start,
                     train_arguments, validated_steps, write)  # fmt: skip


def packed():
    """faces() in one file, packed once for this process."""
    if not os.path.exists(path("faces.pack")):
        done = run("pack", "--root", "faces", "--train-list", "faces/list.txt", "--out", "faces.pack")
        if done.code != 0:
            raise AssertionError(repr(done))
    return "faces.pack"


def damaged(name, image):
    """faces() packed, with one byte of an image changed."""
    data = bytearray(read(packed(), "rb"))
    data[data.index(read(f"faces/{image}", "rb")) + 300] ^= 4
    return write(name, bytes(data))


class Pack(CliTest):
    @classmethod
    def setUpClass(cls):
        faces()
        pairs()
        packed()

    def train_packed(self, out, *flags, **others):
        return self.train(out, *flags, without=["--root", "--train-list"], **others)


class Packing(Pack):
    def test_the_files_as_they_were(self):
        result = self.ok("pack", "--root", "faces", "--train-list", "faces/list.txt", "--out", "again.pack")
        self.assertRegex(result.out, r"^72 images of 12 classes in again.pack, 0\.\d MB\n$")
        self.assertEqual(result.err, "")
        data = read("again.pack", "rb")
        for identity, image in [(0, 0), (5, 3), (11, 5)]:
            self.assertIn(read(f"faces/{image_of(identity, image)}", "rb"), data)
        self.assertEqual(sha("again.pack"), sha(packed()), "and the same bytes every time")
        self.ok("pack", "--root", "faces", "--out", "again.pack", "--workers", 3)  # replaces the file
        self.assertEqual(sha("again.pack"), sha(packed()), "for any number of workers, and from the folder")
        self.assertEqual([name for name in os.listdir(path()) if "tmp" in name], [])

    def test_exclude(self):
        write("two.txt", "id_00003\nid_00011\n")
        self.assertIn("60 images of 10 classes", self.ok("pack", "--root", "faces", "--exclude", "two.txt", "--out", "few.pack").out)
        self.assertNotIn(b"id_00003/", read("few.pack", "rb"))
        self.assertIn("60 images of 10 people", self.ok("check-data", "--pack", "few.pack").out)

    def test_input(self):
        self.refused(3, ["pack", "--root", "faces", "--out", "wrong.pack", "--input", "112x112"], f"faces/{image_of(0, 0)}", "112x112")
        self.assertFalse(os.path.exists(path("wrong.pack")))

    def test_bad_images(self):
        shutil.copytree(path("faces"), path("holes"), dirs_exist_ok=True)
        write(f"holes/{image_of(0, 1)}", b"no image")
        os.remove(path("holes", image_of(4, 2)))
        source = ["pack", "--root", "holes", "--train-list", "holes/list.txt", "--out", "holes.pack"]
        self.refused(3, source, f"holes/list.txt:2: holes/{image_of(0, 1)}", "not an image")
        self.assertFalse(os.path.exists(path("holes.pack")), "nothing half packed stays")
        self.refused(3, [*source, "--bad-images", "fail"], f"holes/list.txt:2: holes/{image_of(0, 1)}")
        result = self.ok(*source, "--bad-images", "skip")
        self.assertIn("70 images of 12 classes, 2 bad ones left out in holes.pack", result.out)
        for line, image in [(2, image_of(0, 1)), (27, image_of(4, 2))]:
            self.assertIn(f"skipped: holes/list.txt:{line}: holes/{image}", result.err)
        self.assertIn("70 images of 12 people: 70 good", self.ok("check-data", "--pack", "holes.pack").out)
        for i in range(3):
            write(f"wreck/p{i}/x.jpg", b"no image")
        result = run("pack", "--root", "wreck", "--out", "wreck.pack", "--bad-images", "skip")
        self.assertEqual(result.code, 3)
        self.assertIn("train_face: not one of the 3 images can be used", result.err)

    def test_places_that_cannot_be_written(self):
        source = ["pack", "--root", "faces", "--out"]
        write("a_file", "")
        self.refused(4, [*source, "/dev/full"], "/dev/full", "No space left")
        self.refused(4, [*source, "a_file/x.pack"], "a_file")
        self.refused(4, [*source, "faces"], "faces", "directory")
        self.refused(3, ["pack", "--root", "absent", "--out", "x.pack"], "absent")

    def test_a_stop_leaves_the_old_file_and_no_other(self):
        os.makedirs(path("stopped"), exist_ok=True)
        write("many.txt", "".join(f"{image_of(i % 12, i % 6)} {i % 12}\n" for i in range(60_000)))
        write("stopped/f.pack", "what was there before")
        process = start("pack", "--root", "faces", "--train-list", "many.txt", "--out", "stopped/f.pack")
        while len(os.listdir(path("stopped"))) < 2 and process.poll() is None:
            time.sleep(0.002)
        process.send_signal(signal.SIGINT)
        self.assertEqual(finish(process).code, 130)
        self.assertEqual(os.listdir(path("stopped")), ["f.pack"])
        self.assertEqual(read("stopped/f.pack"), "what was there before")

    def test_progress_on_a_terminal(self):
        terminal, side = pty.openpty()
        process = start("pack", "--root", "faces", "--out", "shown.pack", stderr=side)
        process.wait(timeout=harness.PATIENCE)
        os.close(side)
        shown = os.read(terminal, 1 << 16).decode()
        process.stdout.close()
        os.close(terminal)
        self.assertRegex(shown, r"packing +\[#+ *\] +\d+%  .*0:\d\d left")


class Reading(Pack):
    def test_check_data(self):
        self.assertIn("72 images of 12 people: 72 good", self.ok("check-data", "--pack", packed()).out)
        bad = damaged("bad.pack", image_of(2, 1))
        result = run("check-data", "--pack", bad, "--workers", 3)
        self.assertEqual(result.code, 3)
        self.assertRegex(result.out, rf"(?m)^bad.pack/{image_of(2, 1)} does not match its checksum.*\.$")
        self.assertIn("71 good, 1 unreadable", result.out)
        write("one.txt", "id_00002\n")
        self.assertIn("66 images of 11 people: 66 good", self.ok("check-data", "--pack", bad, "--exclude", "one.txt").out)

    def test_training_is_that_of_the_folder(self):
        flags = ["--iterations", 12, "--workers", 2]
        self.train("from-folder", *flags)
        self.train_packed("from-pack", "--pack", packed(), *flags)
        self.assert_same("from-folder", "from-pack")
        self.assertEqual(column("from-folder", "loss"), column("from-pack", "loss"))
        self.assertIn("Data: 72 images of 12 people under faces.pack", read("from-pack/train.log"))
        self.ok("train", "--config", "from-pack/config.toml", "--out", "from-config")
        self.assert_same("from-folder", "from-config")

    def test_resumes_change_between_folder_and_pack(self):
        rate = ["--lr-steps", 100]  # the same for any value of --iterations
        self.train("straight", *rate, "--iterations", 12)
        self.train("changing", *rate, "--iterations", 4)
        pack = ["--pack", packed(), "--resume", "auto"]
        self.ok(*train_arguments("changing", *rate, "--iterations", 8, *pack, without=["--root", "--train-list"]))
        self.assertNotRegex(read("changing/train.log"), "Setting changed.*(root|train-list|pack)")
        self.ok(*train_arguments("changing", *rate, "--iterations", 12, "--resume", "auto"))
        for file in ["model.safetensors", "solver.safetensors"]:
            self.assertEqual(sha(f"straight/last/{file}"), sha(f"changing/last/{file}"), file)
        self.ok("pack", "--root", "faces", "--exclude", write("one.txt", "id_00002\n"), "--out", "other.pack")
        self.refused(2, train_arguments("changing", "--iterations", 14, "--pack", "other.pack", "--resume", "auto",
                                        without=["--root", "--train-list"]), "--pack")  # fmt: skip

    def test_exclude_and_classes_of_a_pack(self):
        write("one.txt", "id_00002\n")
        self.train("folder-less", "--exclude", "one.txt")
        self.train_packed("pack-less", "--pack", packed(), "--exclude", "one.txt")
        self.assert_same("folder-less", "pack-less")
        self.train_packed("more", "--pack", packed(), "--classes", 20)
        self.assertEqual(environment("more")["classes"], 20)
        self.refused_training(3, ["--pack", packed(), "--classes", 5], "faces.pack/id_00005", "label 5", without=["--root", "--train-list"])

    def test_bad_images_of_a_pack(self):
        flags = ["--pack", damaged("bad.pack", image_of(2, 1)), "--iterations", 9]
        self.refused_training(3, flags, f"bad.pack/{image_of(2, 1)}", "checksum", without=["--root", "--train-list"])
        result = self.train_packed("packed-skip", *flags, "--bad-images", "skip")
        self.assertEqual(result.err.count(f"Skipped a bad image: bad.pack/{image_of(2, 1)} does not match"), 1, result.err)

    def test_verification(self):
        flags = ["--val-pairs", "pairs.txt", "--val-every", 2]
        self.train("val-folder", *flags, "--val-root", "faces")
        self.train("val-pack", *flags, "--val-pack", packed())
        self.assertEqual(read("val-folder/validation.csv"), read("val-pack/validation.csv"))
        self.assertEqual(validated_steps("val-pack"), [2, 3])
        bad = damaged("bad.pack", image_of(2, 0))
        self.refused_training(3, [*flags, "--val-pack", bad], f"pairs.txt:4: bad.pack/{image_of(2, 0)}", "checksum")
        self.ok("pack", "--root", "faces", "--exclude", write("one.txt", "id_00002\n"), "--out", "less.pack")
        self.refused_training(3, [*flags, "--val-pack", "less.pack"], f"pairs.txt:4: expected the image less.pack/{image_of(2, 0)}")

    def test_eval_extract_and_compare(self):
        self.train("a")
        self.train("b", "--seed", 2)
        evaluate = ["eval", "--model", "a", "--pairs", "pairs.txt"]
        self.assertEqual(self.ok(*evaluate, "--root", "faces").out, self.ok(*evaluate, "--pack", packed()).out)
        pixels = ["eval", "--raw-pixels", "--pairs", "pairs.txt"]
        self.assertEqual(self.ok(*pixels, "--root", "faces").out, self.ok(*pixels, "--pack", packed()).out)
        compare = ["compare", "--a", "a", "--b", "b", "--pairs", "pairs.txt"]
        self.assertEqual(self.ok(*compare, "--root", "faces").out, self.ok(*compare, "--pack", packed()).out)
        for flags in [[], ["--list", write("some.txt", f"{image_of(3, 0)} 3\n{image_of(1, 2)}\n")]]:
            self.ok("extract", "--model", "a", "--root", "faces", *flags, "--out", "folder.npy")
            self.ok("extract", "--model", "a", "--pack", packed(), *flags, "--out", "pack.npy")
            self.assertEqual(read_npy("folder.npy"), read_npy("pack.npy"))
            self.assertEqual(read("folder.txt"), read("pack.txt"))
        bad = damaged("bad.pack", image_of(1, 2))
        self.refused(3, ["extract", "--model", "a", "--pack", bad, "--list", "some.txt", "--out", "x.npy"],
                     f"some.txt:2: bad.pack/{image_of(1, 2)}", "checksum")  # fmt: skip
        self.refused(3, ["extract", "--model", "a", "--pack", packed(), "--list", write("gone.txt", "x/y.jpg 3\n"), "--out", "x.npy"],
                     "gone.txt:1: faces.pack/x/y.jpg", "not in the packed file")  # fmt: skip

    def test_a_folder_and_a_pack_are_too_much(self):
        both = ["--root", "faces", "--pack", packed()]
        self.refused_training(2, ["--pack", packed()], "--pack")
        self.refused_training(2, ["--pack", packed()], "--pack", "--train-list", without=["--root"])
        self.refused_training(2, ["--val-pairs", "pairs.txt", "--val-root", "faces", "--val-pack", packed()], "--val-pack")
        self.refused(2, ["eval", "--raw-pixels", "--pairs", "pairs.txt", *both], "--pack")
        self.refused(2, ["extract", "--model", "a", "--out", "x.npy", *both], "--pack")
        self.refused(2, ["compare", "--a", "a", "--b", "a", "--pairs", "pairs.txt", *both], "--pack")
        self.refused(2, ["check-data", *both], "--pack")
        self.refused(2, ["check-data", "--pack", packed(), "--train-list", "faces/list.txt"], "--train-list")

    def test_files_that_are_no_packs(self):
        write("cut.pack", read(packed(), "rb")[:-1])
        write("list.pack", read("faces/list.txt"))
        write("hurt.pack", read(packed(), "rb"))
        flip_byte("hurt.pack")
        for name, what in [("absent.pack", "No such file"), ("faces", "not a regular file"), ("cut.pack", "truncated"),
                           ("list.pack", "not a packed file"), ("hurt.pack", "checksum")]:  # fmt: skip
            with self.subTest(name=name):
                self.refused_training(3, ["--pack", name], name, what, without=["--root", "--train-list"])
                self.refused(3, ["check-data", "--pack", name], name, what)
                self.refused(3, ["eval", "--raw-pixels", "--pairs", "pairs.txt", "--pack", name], name, what)
                self.refused_training(3, ["--val-pairs", "pairs.txt", "--val-pack", name], name, what)


if __name__ == "__main__":
    harness.main()
