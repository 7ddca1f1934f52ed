#!/usr/bin/env python3
"""Verification with faulty input: pictures that are missing, embeddings that are not finite, models that cannot distinguish anything."""

import csv
import json
import math
import os
import re
import shutil
import struct

import harness
from harness import CliTest, faces, image_of, newest, pairs, path, read, run, write


def rewrite_model(source, target, change, extra=()):
    """Writes a model whose tensors are what `change(name, numbers)` returns, and `extra` tensors (name, dtype, shape, bytes) before them."""
    data = read(source, "rb")
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    metadata = header.pop("__metadata__")
    entries, body = {}, b""
    for name, dtype, shape, content in extra:
        entries[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(body), len(body) + len(content)]}
        body += content
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        numbers = change(name, struct.unpack(f"<{(end - begin) // 4}f", data[begin:end]))
        content = struct.pack(f"<{len(numbers)}f", *numbers)
        entries[name] = {"dtype": "F32", "shape": entry["shape"], "data_offsets": [len(body), len(body) + len(content)]}
        body += content
    text = json.dumps({"__metadata__": metadata, **entries}).encode()
    write(target, struct.pack("<Q", len(text)) + text + body)
    return target


def unchanged(_, numbers):
    return numbers


class Broken(CliTest):
    @classmethod
    def setUpClass(cls):
        faces()
        pairs()
        cls().train("run", "--iterations", 5)

    def evaluate(self, model, *flags, pairs="pairs.txt", root="faces"):
        result = self.ok("eval", "--model", model, "--pairs", pairs, "--root", root, "--json", "v.json", *flags)
        return json.loads(read("v.json")), result


class MissingPictures(Broken):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        shutil.copytree(path("faces"), path("holes"), dirs_exist_ok=True)
        os.remove(path("holes", image_of(1, 0)))  # in two pairs
        write("holes/" + image_of(6, 1), b"no image")  # in two others

    def test_eval_leaves_them_out(self):
        arguments = ["eval", "--model", "run", "--pairs", "pairs.txt", "--root", "holes"]
        self.refused(3, arguments, f"pairs.txt:3: expected the image holes/{image_of(1, 0)}")
        whole, _ = self.evaluate("run")
        numbers, result = self.evaluate("run", "--bad-images", "skip", root="holes")
        self.assertEqual((numbers["failed_images"], numbers["failed_pairs"], numbers["pairs"]), (2, 4, 24))
        self.assertIn("over 20 of 24 pairs", result.out)
        self.assertIn(f"skipped: pairs.txt:3: holes/{image_of(1, 0)} is not there", result.err)
        self.assertIn(f"holes/{image_of(6, 1)}", result.err)
        for fold in numbers["folds"][:2]:
            self.assertAlmostEqual(fold * 6 / 100, round(fold * 6 / 100), msg="percent of 6 pairs")
        self.assertEqual(numbers["genuine_pairs"], whole["genuine_pairs"] - 2)
        self.assertIn("20 of 24 pairs", read("v.html"))
        self.assertIn("over 24 pairs", self.evaluate("run")[1].out)
        pixels = self.ok("eval", "--raw-pixels", "--pairs", "pairs.txt", "--root", "holes", "--bad-images", "skip")
        self.assertIn("over 20 of 24 pairs", pixels.out)

    def test_a_pack_that_lacks_them_too(self):
        self.ok("pack", "--root", "holes", "--bad-images", "skip", "--out", "holes.pack")
        self.refused(3, ["eval", "--model", "run", "--pairs", "pairs.txt", "--pack", "holes.pack"], "pairs.txt:3:", image_of(1, 0))
        result = self.ok("eval", "--model", "run", "--pairs", "pairs.txt", "--pack", "holes.pack", "--bad-images", "skip")
        self.assertIn("over 20 of 24 pairs", result.out)

    def test_train_verifies_with_the_others(self):
        flags = ["--val-pairs", "pairs.txt", "--val-root", "holes", "--val-every", 2]
        self.refused_training(3, flags, f"pairs.txt:3: expected the image holes/{image_of(1, 0)}")
        self.train("skipping", *flags, "--bad-images", "skip")
        log = read("skipping/train.log")
        self.assertRegex(log, r"\[val\]\[2\] Accuracy .* over 20 of 24 pairs")
        self.assertIn(f"holes/{image_of(1, 0)}", log)
        self.assertTrue(os.path.exists(path("skipping/best")))

    def test_compare_leaves_them_out(self):
        arguments = ["compare", "--a", "run", "--b", "run", "--pairs", "pairs.txt", "--root", "holes", "--json", "c.json"]
        self.refused(3, arguments, "pairs.txt:3:")
        result = self.ok(*arguments, "--bad-images", "skip")
        self.assertIn("over 20 of 24 pairs", result.out)
        self.assertIn(f"holes/{image_of(1, 0)}", result.err)
        numbers = json.loads(read("c.json"))
        self.assertEqual((numbers["difference"], numbers["pairs"], numbers["failed_pairs"], numbers["failed_images"]), (0, 24, 4, 2))

    def test_a_fold_that_loses_all_its_pairs(self):
        write("two.txt", "2\t1\nid_00000\t1\t2\nid_00000\t1\tid_00001\t2\nid_00003\t1\t2\nid_00002\t1\tid_00003\t2\n")
        shutil.copytree(path("faces"), path("hole"), dirs_exist_ok=True)
        os.remove(path("hole", image_of(0, 0)))
        numbers, result = self.evaluate("run", "--bad-images", "skip", pairs="two.txt", root="hole")
        self.assertEqual((numbers["accuracy_mean"], numbers["folds"], numbers["failed_pairs"]), (None, [None, None], 2))
        self.assertIn("over 2 of 4 pairs", result.out)
        self.assertIn("No accuracy: only one fold has pairs that can be used", result.out + result.err)
        self.train("fold", "--val-pairs", "two.txt", "--val-root", "hole", "--val-every", 2, "--bad-images", "skip")
        self.assertNotIn("nan", read("fold/validation.csv") + read("fold/report.html").replace("nano", ""))
        shutil.rmtree(path("hole"))
        os.makedirs(path("hole"))
        result = run("eval", "--model", "run", "--pairs", "two.txt", "--root", "hole", "--bad-images", "skip")
        self.assertEqual((result.code, len(result.error)), (3, 7), repr(result))
        self.assertIn("not one of the 4 pairs can be used", result.error[-1])


class NotFinite(Broken):
    def test_no_command_writes_such_embeddings(self):
        def poison(name, numbers):
            return (math.nan, *numbers[1:]) if name == "fc5.bias" else numbers

        rewrite_model(newest("run"), "nan.safetensors", poison)
        flags = ["--root", "faces", "--threads", 1]
        write("one.txt", f"{image_of(2, 0)}\n")
        for arguments in [["extract", "--out", "nan.npy"], ["extract", "--out", "nan.npy", "--list", "one.txt", "--normalize"],
                          ["eval", "--pairs", "pairs.txt", "--json", "nan.json"]]:  # fmt: skip
            with self.subTest(arguments=arguments):
                image = image_of(2 if "--list" in arguments else 0, 0)
                self.refused(5, [*arguments, "--model", "nan.safetensors", *flags], "nan.safetensors", image, "not finite")
        self.refused(5, ["compare", "--a", "run", "--b", "nan.safetensors", "--pairs", "pairs.txt", *flags], "nan.safetensors", "not finite")
        for name in ["nan.npy", "nan.txt", "nan.json", "nan.html"]:
            self.assertFalse(os.path.exists(path(name)), name)

    def test_nor_a_sum_that_overflows(self):
        rewrite_model(newest("run"), "huge.safetensors", lambda name, numbers: [3e38] * len(numbers) if name == "fc5.bias" else numbers)
        self.refused(5, ["extract", "--model", "huge.safetensors", "--root", "faces", "--out", "huge.npy"], "not finite")
        self.assertFalse(os.path.exists(path("huge.npy")))


class Collapsed(Broken):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # The embedding is the bias, for any picture; or all zeros.
        rewrite_model(newest("run"), "point.safetensors", lambda name, numbers: [0.0 if name == "fc5.weight" else 0.5] * len(numbers))
        rewrite_model(newest("run"), "zero.safetensors", lambda name, numbers: [0.0] * len(numbers))

    def test_it_is_said_and_no_rate_is_made_up(self):
        for model in ["point.safetensors", "zero.safetensors"]:
            for protocol in ["amsoftmax", "sphereface"]:
                with self.subTest(model=model, protocol=protocol):
                    numbers, result = self.evaluate(model, "--protocol", protocol)
                    self.assertIn("All scores are equal: the model tells nothing apart", result.out + result.err)
                    self.assertEqual(numbers["tar_at_far"], {"0.01": None, "0.001": None})
                    self.assertTrue(numbers["tells_nothing_apart"])
                    self.assertEqual(len(re.findall(r"TAR at FAR (?:1|0\.1) %: – \(all scores are equal\)", result.out)), 2, result.out)
                    self.assertIn("the model tells nothing apart", read("v.html"))
                    self.assertNotRegex(read("v.html"), r"\bnan\b")
        numbers, result = self.evaluate("run")
        self.assertFalse(numbers["tells_nothing_apart"])
        self.assertNotIn("nothing apart", result.out + result.err)
        self.assertIsNotNone(numbers["tar_at_far"]["0.01"])
        self.assertIn("too few", [line for line in result.out.splitlines() if "FAR 0.1 %" in line][0], "of 264 impostor pairs none")

    def test_a_run_that_verifies_such_a_model(self):
        flags = ["--val-pairs", "pairs.txt", "--val-root", "faces", "--val-every", 1, "--lr", 0, "--init-from", "zero.safetensors"]
        self.train("still", *flags)
        rows = list(csv.DictReader(read("still/validation.csv").splitlines()))
        self.assertEqual(len(rows), 3)
        self.assertEqual([(row["tar_at_far_1_percent"], row["tar_at_far_0.1_percent"]) for row in rows], [("", "")] * 3)
        self.assertEqual([float(row["accuracy_mean"]) for row in rows], [0, 0, 0])
        self.assertIn("[val][1] All scores are equal: the model tells nothing apart", read("still/train.log"))
        self.assertRegex(read("still/train.log"), r"\[val\]\[1\] Accuracy 0\.00\+-0\.00%  TAR@FAR=1e-2 –  TAR@FAR=1e-3 –")
        self.assertTrue(os.path.exists(path("still/best")))
        self.assertNotRegex(read("still/report.html"), r"\bnan\b")
        self.ok("compare", "--a", "still", "--b", "run", "--pairs", "pairs.txt", "--root", "faces", "--report", "still.html")
        self.ok(*harness.train_arguments("still", *flags, "--iterations", 5, "--resume", "auto"))
        self.assertEqual(harness.validated_steps("still"), [1, 2, 3, 4, 5])


class OtherDtypes(Broken):
    def test_a_tensor_that_nobody_needs_is_passed_over(self):
        extra = [("a.count", "I32", [3], bytes(12)), ("b.half", "F16", [2, 2], bytes(8)), ("c.five", "F32", [1, 1, 1, 1, 2], bytes(8)),
                 ("d.mask", "BOOL", [4], bytes(4)), ("e.small", "BF16", [2], bytes(4))]  # fmt: skip
        rewrite_model(newest("run"), "extra.safetensors", unchanged, extra)
        plain, _ = self.evaluate("run")
        self.assertEqual(self.evaluate("extra.safetensors")[0], plain)
        self.train("from_extra", "--init-from", "extra.safetensors")
        self.train("from_run", "--init-from", newest("run"))
        self.assert_same("from_extra", "from_run")

    def test_one_that_is_needed_is_named(self):
        data = read(newest("run"), "rb")
        (length,) = struct.unpack_from("<Q", data)
        header = json.loads(data[8 : 8 + length])
        shape = header["fc5.bias"]["shape"]
        begin, end = header["fc5.bias"]["data_offsets"]
        del header["fc5.bias"]
        for entry in header.values():
            if "data_offsets" in entry and entry["data_offsets"][0] >= end:
                entry["data_offsets"] = [offset - (end - begin) for offset in entry["data_offsets"]]
        body = data[8 + length : 8 + length + begin] + data[8 + length + end :]
        header["fc5.bias"] = {"dtype": "F16", "shape": shape, "data_offsets": [len(body), len(body) + 2 * shape[0]]}
        text = json.dumps(header).encode()
        write("half.safetensors", struct.pack("<Q", len(text)) + text + body + bytes(2 * shape[0]))
        for arguments in [["eval", "--pairs", "pairs.txt"], ["extract", "--out", "half.npy"]]:
            self.refused(3, [*arguments, "--model", "half.safetensors", "--root", "faces"], "half.safetensors", "fc5.bias", "F16")


if __name__ == "__main__":
    harness.main()
