#!/usr/bin/env python3
"""Faulty lists, images and folders, check-data, synth, and the file system (exit codes 3, 4 and 6)."""

import os
import re
import resource
import shutil
import struct
import time
import unittest
import zlib

import harness
from harness import (CliTest, environment, faces, finish, image_of, metrics, pairs, path, read, run, sha, start, train_arguments,
                     write)  # fmt: skip


def jpeg(identity=0, image=0):
    return read(f"faces/{image_of(identity, image)}", "rb")


def png(height, width, depth=8, colour=2):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    samples = {0: 1, 2: 3, 6: 4}[colour] * depth // 8
    rows = b"".join(b"\0" + bytes((x * 31 + y * 17) % 256 for x in range(width * samples)) for y in range(height))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))  # fmt: skip


def cmyk_jpeg():
    """The header of a JPEG with four components: enough for a decoder to refuse it."""
    data = bytearray(jpeg())
    at = data.index(b"\xff\xc0")
    (length,) = struct.unpack_from(">H", data, at + 2)
    frame = data[at + 4 : at + 2 + length]
    frame[5] = 4
    frame += bytes([4, 0x11, 0])
    frame[7::3] = b"\x11" * 4  # no subsampling
    return bytes(data[:at] + b"\xff\xc0" + struct.pack(">H", len(frame) + 2) + frame + data[at + 2 + length :])


GOOD = {"grey.png": lambda: png(112, 96, colour=0), "alpha.png": lambda: png(112, 96, colour=6), "png_inside.jpg": lambda: png(112, 96)}
BAD = {
    "truncated.jpg": lambda: jpeg()[: len(jpeg()) // 2],
    "one_byte_short.jpg": lambda: jpeg()[:-1],
    "empty.jpg": lambda: b"",
    "text.jpg": lambda: b"<html>404 not found</html>\n" * 9,
    "wide.png": lambda: png(96, 112),
    "deep.png": lambda: png(112, 96, depth=16),
    "cmyk.jpg": cmyk_jpeg,
    "huge.ppm": lambda: b"P6\n60000 60000\n255\nxyz",
    "folder.jpg": None,
    "missing.jpg": None,
}
REASONS = {"truncated.jpg": "truncated", "one_byte_short.jpg": "truncated", "empty.jpg": "empty", "text.jpg": "HTML", "wide.png": "96x112",
           "deep.png": "16 bits", "cmyk.jpg": "CMYK", "huge.ppm": "60000x60000", "folder.jpg": "folder", "missing.jpg": "not there"}


class Data(CliTest):
    @classmethod
    def setUpClass(cls):
        faces()
        pairs()


class Lists(Data):
    def test_bom_crlf_blank_lines_tabs_and_spaces_are_fine(self):
        shutil.copytree(path("faces/id_00001"), path("faces/a person"), dirs_exist_ok=True)
        try:
            write("odd.txt", "\ufeff" + f"{image_of(0, 0)} 0\r\n\r\na person/id_00001_0001.jpg 1\r\n{image_of(2, 0)}\t2\r\n{image_of(3, 0)}   3")
            self.train("odd", "--train-list", "odd.txt")
        finally:
            shutil.rmtree(path("faces/a person"))
        self.assertEqual((environment("odd")["classes"], environment("odd")["images"]), (4, 4))

    def test_bad_labels_are_named_by_line(self):
        for label, what in [("", "label"), (" -1", "-1"), (" anna", "anna"), (" 1.5", "1.5"), (" 2147483648", "2147483648"),
                            (" 99999999999999999999", "99999999999999999999"), (" 0x1", "0x1"), (" 1e3", "1e3")]:  # fmt: skip
            with self.subTest(label=label):
                write("labels.txt", f"{image_of(0, 0)} 0\n\n{image_of(1, 0)}{label}\n")
                self.refused_training(3, ["--train-list", "labels.txt"], "labels.txt:3:", what)
                self.refused(3, ["check-data", "--root", "faces", "--train-list", "labels.txt"], "labels.txt:3:")

    def test_a_long_list_is_read_quickly(self):
        write("long.txt", "".join(f"{image_of(i % 12, 0)} {i // 10}\n" for i in range(100_000)) + "x.jpg nobody\n")
        began = time.monotonic()
        self.refused_training(3, ["--train-list", "long.txt"], "long.txt:100001:")
        self.assertLess(time.monotonic() - began, 5)

    def test_a_label_beyond_the_classes(self):
        self.refused_training(3, ["--classes", 5], "faces/list.txt:31:", "label 5")

    def test_lists_that_are_no_lists(self):
        write("empty.txt", "\n\n")
        write("binary.txt", bytes(range(256)) * 9)
        for name in ["empty.txt", "binary.txt", "absent.txt", "faces"]:
            with self.subTest(name=name):
                self.refused_training(3, ["--train-list", name], name)
                self.refused(3, ["check-data", "--root", "faces", "--train-list", name], name)

    def test_roots_that_hold_nothing(self):
        os.makedirs(path("hollow"), exist_ok=True)
        for name in ["absent", "hollow", "pairs.txt"]:
            with self.subTest(name=name):
                self.refused_training(3, ["--root", name], name, without=["--train-list"])
                self.refused(3, ["check-data", "--root", name], name)
        self.refused_training(3, ["--exclude", "absent.txt"], "absent.txt")
        self.refused_training(3, ["--val-pairs", "absent.txt", "--val-root", "faces"], "absent.txt")
        self.refused_training(3, ["--val-pairs", "pairs.txt", "--val-root", "absent"], "absent")


class Images(Data):
    def folder(self, name, file, content):
        """8 images of 2 people, and on line 4 of list.txt one more."""
        shutil.rmtree(path(name), ignore_errors=True)
        lines = []
        for i in range(8):
            write(f"{name}/p{i % 2}/{i}.jpg", jpeg(i % 2, i // 2))
            lines.append(f"p{i % 2}/{i}.jpg {i % 2}")
        if content is not None:
            write(f"{name}/p0/{file}", content())
        elif file == "folder.jpg":
            os.makedirs(path(name, "p0", file))
        lines.insert(3, f"p0/{file} 0")
        write(f"{name}/list.txt", "\n".join(lines) + "\n")
        return ["--root", name, "--train-list", f"{name}/list.txt"]

    def test_bad_images_end_the_run_or_are_skipped(self):
        for file, content in BAD.items():
            with self.subTest(file=file):
                source = self.folder("bad", file, content)
                self.refused_training(3, source, f"bad/list.txt:4: bad/p0/{file}", REASONS[file])
                result = self.train("skipped", *source, "--bad-images", "skip", "--iterations", 4)
                self.assertEqual(len(metrics("skipped")), 4)
                self.assertEqual(len(re.findall(rf"Skipped a bad image: bad/list.txt:4: bad/p0/{file}", result.err)), 1, result.err)
                self.assertEqual(self.ok(*train_arguments("skipped-fail", *source, "--bad-images", "skip", "--workers", 3)).code, 0)
                shutil.rmtree(path("skipped-fail"))
                checked = run("check-data", *source)
                self.assertEqual(checked.code, 3, repr(checked))
                self.assertIn(f"bad/list.txt:4: bad/p0/{file}", checked.out)

    def test_other_kinds_of_images_are_converted(self):
        for file, content in GOOD.items():
            with self.subTest(file=file):
                source = self.folder("good", file, content)
                self.train("converted", *source)
                self.ok("check-data", *source)

    def test_a_set_without_a_good_image(self):
        for i in range(3):
            write(f"ruins/p{i}/x.jpg", b"no image")
        self.refused_training(3, ["--root", "ruins", "--bad-images", "skip"], "ruins/p", without=["--train-list"])

    def test_bad_images_of_a_verification(self):
        shutil.copytree(path("faces"), path("holes"), dirs_exist_ok=True)
        write(f"holes/{image_of(1, 0)}", b"no image")
        verify = ["--val-pairs", "pairs.txt", "--val-root", "holes", "--val-every", 3]
        self.refused_training(3, verify, f"pairs.txt:3: holes/{image_of(1, 0)}")
        result = self.train("val-skip", *verify, "--bad-images", "skip")
        self.assertIn("failed 1", result.err)
        self.assertIn(f"Skipped a bad image: pairs.txt:3: holes/{image_of(1, 0)}", result.err)


class CheckData(Data):
    def test_a_good_set(self):
        result = self.ok("check-data", "--root", "faces", "--train-list", "faces/list.txt")
        self.assertIn("72 images of 12 people: 72 good, 0 unreadable", result.out)
        self.assertIn("fewest 6, median 6, most 6", result.out)
        self.assertIn("72 images of 12 people", self.ok("check-data", "--root", "faces").out, "also without a list")

    def test_every_kind_of_finding_with_its_line(self):
        lines = [image_of(0, 0), image_of(0, 1), "bad/copy.jpg", image_of(0, 1), "bad/gone.jpg", "bad/short.jpg", "bad/large.png"]
        write("faces/bad/copy.jpg", jpeg(0, 0))
        write("faces/bad/short.jpg", jpeg()[:999])
        write("faces/bad/large.png", png(250, 250))
        try:
            write("findings.txt", "".join(f"{line} {i // 3}\n" for i, line in enumerate(lines)))
            result = run("check-data", "--root", "faces", "--train-list", "findings.txt")
            again = run("check-data", "--root", "faces", "--train-list", "findings.txt", "--workers", 3)
        finally:
            shutil.rmtree(path("faces/bad"))
        self.assertEqual(result.code, 3, repr(result))
        for line, what in [(3, "copy.jpg"), (4, image_of(0, 1)), (5, "gone.jpg"), (6, "short.jpg"), (7, "large.png")]:
            self.assertRegex(result.out, rf"(?m)^findings.txt:{line}: .*{what}")
        self.assertIn("findings.txt:1", result.out, "the first of the two that are the same")
        self.assertRegex(result.out, "2 good, 1 unreadable, 1 damaged, 1 of the wrong size, 1 duplicates, 1 listed twice")
        self.assertEqual((result.code, result.out), (again.code, again.out), "for any number of workers")

    def test_exclude_and_input(self):
        write("names.txt", "id_00000\n")
        listed = ["check-data", "--root", "faces", "--train-list", "faces/list.txt"]
        self.assertIn("66 images of 11 people", self.ok(*listed, "--exclude", "names.txt").out)
        result = run(*listed, "--input", "112x112")
        self.assertEqual(result.code, 3)
        self.assertIn("72 of the wrong size", result.out)

    def test_labels_nobody_has(self):
        write("from1.txt", f"{image_of(0, 0)} 1\n{image_of(1, 0)} 3\n")
        self.assertIn("labels that no image has: 2, the first 0", self.ok("check-data", "--root", "faces", "--train-list", "from1.txt").out)


class Synth(Data):
    def test_files_and_seed(self):
        self.ok("synth", "--out", "s1", "--identities", 3, "--images", 2, "--seed", 1)
        self.assertEqual(sorted(os.listdir(path("s1"))), ["id_00000", "id_00001", "id_00002", "list.txt"])
        self.assertEqual(read("s1/list.txt"), "".join(f"{image_of(i, j)} {i}\n" for i in range(3) for j in range(2)))
        self.ok("synth", "--out", "s2", "--identities", 3, "--images", 2)
        self.ok("synth", "--out", "s3", "--identities", 3, "--images", 2, "--seed", 2)
        for i in range(3):
            for j in range(2):
                self.assertEqual(sha(f"s1/{image_of(i, j)}"), sha(f"s2/{image_of(i, j)}"))
                self.assertNotEqual(sha(f"s1/{image_of(i, j)}"), sha(f"s3/{image_of(i, j)}"))
        self.ok("check-data", "--root", "s1", "--train-list", "s1/list.txt")


class FileSystem(Data):
    def test_outputs_that_cannot_be_written(self):
        write("plain_file", "")
        self.refused(4, train_arguments("plain_file/run"), "plain_file")
        self.refused(4, train_arguments("plain_file"), "plain_file")
        self.refused(4, ["synth", "--out", "plain_file/s", "--identities", 1, "--images", 1], "plain_file")
        self.train("small")
        evaluate = ["eval", "--model", "small", "--pairs", "pairs.txt", "--root", "faces"]
        self.refused(4, [*evaluate, "--json", "/dev/full"], "/dev/full", "No space left")
        self.refused(4, [*evaluate, "--json", "plain_file/x.json"], "plain_file")
        self.refused(4, [*evaluate, "--report", "plain_file/x.html"], "plain_file")
        self.refused(4, ["extract", "--model", "small", "--root", "faces", "--out", "plain_file/x.npy"], "plain_file")
        self.refused(4, ["bench", "--depth", 4, "--width", 0.0625, "--batch", 1, "--iterations", 1, "--classes", 2, "--json", "/dev/full"],
                     "/dev/full")  # fmt: skip
        with open("/dev/full", "wb") as full:
            result = finish(start(*evaluate, stdout=full))
        self.assertEqual(result.code, 4, repr(result))
        self.assert_one_sentence(result, "standard output")

    def test_a_disk_that_fills_up(self):
        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

        result = finish(start(*train_arguments("full"), preexec_fn=limit))
        self.assertEqual(result.code, 4, repr(result))
        self.assert_one_sentence(result, "full/")
        self.assertEqual([name for name in os.listdir(path("full")) if "step_" in name], [], "nothing half written stays")

    def test_models_that_are_not_there_or_none(self):
        os.makedirs(path("no_run"), exist_ok=True)
        write("text.safetensors", "this is no model" * 99)
        for code, name in [(4, "absent"), (4, "absent/model.safetensors"), (4, "no_run"), (3, "text.safetensors")]:
            with self.subTest(name=name):
                self.refused(code, ["eval", "--model", name, "--pairs", "pairs.txt", "--root", "faces"], name)
                self.refused(code, ["extract", "--model", name, "--root", "faces", "--out", "x.npy"], name)
                self.refused(code, ["compare", "--a", name, "--b", name, "--pairs", "pairs.txt", "--root", "faces"], name)

    @unittest.skipIf(harness.SANITIZED, "a sanitizer's allocator ends the process itself")
    def test_memory_that_is_not_to_be_had(self):
        def limit():
            resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))  # in a build with CUDA the libraries take 2 GB of them

        arguments = train_arguments("large", "--batch", 4096, "--depth", 20, "--width", 1)
        result = finish(start(*arguments, preexec_fn=limit))
        self.assertEqual(result.code, 6, repr(result))
        self.assert_one_sentence(result, "memory", "batch")


if __name__ == "__main__":
    harness.main()
