#!/usr/bin/env python3
"""What a run takes from the model that it starts from: its weights, reported or refused, and the image format that it expects."""

import json
import re
import shutil
import struct

import harness
from harness import CliTest, described, faces, model, newest, path, read, train_arguments, write  # fmt: skip
from train_test import ppm


def rename(source, target, new_name):
    """A copy of a safetensors file whose tensors have the names new_name(name); tensors for which it returns None are left out."""
    data = read(source, "rb")
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    kept, blob = {"__metadata__": header.pop("__metadata__", {})}, b""
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        if new_name(name) is None:
            continue
        begin, end = entry["data_offsets"]
        kept[new_name(name)] = {**entry, "data_offsets": [len(blob), len(blob) + end - begin]}
        blob += data[8 + length + begin : 8 + length + end]
    text = json.dumps(kept).encode()
    text += b" " * (-len(text) % 8)
    return write(target, struct.pack("<Q", len(text)) + text + blob)


class InitFrom(CliTest):
    @classmethod
    def setUpClass(cls):
        faces()
        cls().train("base")
        for i in range(4):
            write(f"square/p{i}/1.ppm", ppm(112, 112, 40 * i + 30))
            write(f"square/p{i}/2.ppm", ppm(112, 112, 40 * i + 35))

    def test_no_name_that_matches_is_refused_with_the_prefix(self):
        rename(newest("base"), "module.safetensors", lambda name: "module." + name)
        self.refused_training(3, ["--init-from", "module.safetensors"], "module.safetensors", "not one of the", "`module.conv1_1.weight`",
                              "begin with `module.`")  # fmt: skip
        rename(newest("base"), "behind.safetensors", lambda name: name + ".data")
        self.refused_training(3, ["--init-from", "behind.safetensors"], "end with `.data`")
        rename(newest("base"), "other.safetensors", lambda name: name.replace("conv1_1", "Conv1.1").replace("_", "-").replace("fc", "dense"))
        self.refused_training(3, ["--init-from", "other.safetensors"], "`Conv1.1.weight`", "`conv1_1.weight`")

    def test_no_convolution_that_matches_is_refused(self):
        rename(newest("base"), "head.safetensors", lambda name: name if name.startswith("fc") else "backbone." + name)
        self.refused_training(3, ["--init-from", "head.safetensors"], "not one of the 4 convolutions", "begin with `backbone.`")
        rename(newest("base"), "only.safetensors", lambda name: name if name.startswith("fc") else None)
        self.refused_training(3, ["--init-from", "only.safetensors"], "not one of the 4 convolutions")

    def test_a_partial_match_tells_how_many(self):
        rename(newest("base"), "partial.safetensors", lambda name: None if "conv3_1" in name else name)
        self.train("partial", "--init-from", "partial.safetensors", "--classes", 14)
        all_of_it = len(model(newest("base"))[1])
        missing = [name for name in model(newest("base"))[1] if "conv3_1" in name] + ["fc6.weight"]
        log = read("partial/train.log")
        self.assertIn(f"Taken: {all_of_it - len(missing)} of {all_of_it} tensors; fc6.weight is (12,16) there and (14,16) here.", log)
        for name in missing:
            self.assertRegex(log, rf"drawn anew: [^.]*.*{name}")

    def test_other_readers_tell_the_prefix(self):
        rename(newest("base"), "module.safetensors", lambda name: "module." + name)
        self.refused(3, ["extract", "--model", "module.safetensors", "--root", "faces", "--out", "x.npy"], "conv1_1.weight", "begin with `module.`")

    def expected(self, out):
        image = described(newest(out))["roles"]["image"]
        return image["order"], image["mean"], image["scale"]

    def test_what_the_model_expects_of_an_image_is_taken_over(self):
        self.train("rgb", "--channel-order", "rgb", "--mean", 100, "--pixel-scale", 0.01)
        self.train("goes-on", "--init-from", "rgb")
        self.assertEqual(self.expected("goes-on"), ("rgb", 100, 0.01))
        log = read("goes-on/train.log")
        for what in ["channel order rgb as rgb/step_00000003/model.safetensors expects", "mean 100 as rgb/", "pixel scale 0.01 as rgb/"]:
            self.assertIn(what, log)
        self.assertIn('channel-order = "rgb"\nmean = 100\npixel-scale = 0.01\n', read("goes-on/config.toml"))

        # An explicit setting stays, and is reported where it is not what the model expects; a
        # preset is not an explicit setting.
        self.train("asked", "--init-from", "rgb", "--mean", 127.5)
        self.assertEqual(self.expected("asked"), ("rgb", 127.5, 0.01))
        self.assertRegex(read("asked/train.log"), r"mean 127.5 as --mean says; rgb/\S+ expects 100")
        write("recipe.toml", 'mean = 120\ninit-from = "rgb"\n')
        self.train("configured", "--config", "recipe.toml")
        self.assertEqual(self.expected("configured"), ("rgb", 120, 0.01))
        self.train("preset", "--init-from", "base", "--preset", "amsoftmax", "--iterations", 2, without=["--iterations"])
        self.assertEqual(self.expected("preset"), ("bgr", 127.5, 1 / 128))
        self.assertRegex(read("preset/train.log"), r"mean 127.5 as base/\S+ expects, in the place of 128")
        self.assertNotIn("expects", read("base/train.log"))

    def test_a_resume_needs_the_model_no_longer(self):
        self.train("gone-model", "--channel-order", "rgb", "--mean", 100)
        self.train("kept", "--init-from", "gone-model")
        shutil.rmtree(path("gone-model"))
        self.ok(*train_arguments("kept", "--init-from", "gone-model", "--iterations", 5, "--resume", "auto"))
        self.assertEqual(self.expected("kept"), ("rgb", 100, 1 / 128))

    def test_pixel_scale(self):
        self.train("scaled", "--pixel-scale", 0.01)
        self.assert_differs("scaled", "base")
        self.assertIn("mean 127.5, pixel scale 0.01, seed 1", read("scaled/train.log"))
        self.refused(2, train_arguments("scaled", "--iterations", 5, "--resume", "auto"), "--pixel-scale 0.01", "0.0078125")
        self.ok(*train_arguments("scaled", "--iterations", 5, "--resume", "auto", "--pixel-scale", 0.01))
        self.refused_training(2, ["--pixel-scale", 0], "--pixel-scale")
        self.refused_training(2, ["--pixel-scale", "nan"], "--pixel-scale")
        # A configuration that is older than the setting causes no report of a change.
        old = "".join(line for line in read("base/config.toml").splitlines(True) if not line.startswith(("pixel-scale", "relabel")))
        shutil.copytree(path("base"), path("before"), symlinks=True)
        write("before/last/config.toml", old)
        write("before/last/MANIFEST.json", re.sub(r',\n +{"name": "config.toml"[^}]*}', "", read("before/last/MANIFEST.json")))
        result = self.ok(*train_arguments("before", "--iterations", 5, "--resume", "auto"))
        self.assertIn("Setting changed since the checkpoint: iterations", result.err)
        self.assertEqual(result.err.count("Setting changed"), 1, result.err)

    def test_another_size_says_which_and_what_to_do(self):
        square = ["--root", "square", "--batch", 4]
        self.refused_training(3, square, "112x112 pixels", "112x96 are expected", "--input 112x112", without=["--train-list"])
        checked = harness.run("check-data", "--root", "square")
        self.assertEqual(checked.code, 3)
        self.assertIn("--input 112x112", checked.out)
        self.refused(3, ["pack", "--root", "square", "--out", "square.pack"], "--input 112x112")
        self.refused(3, ["extract", "--model", "base", "--root", "square", "--out", "x.npy"], "the model expects 112x96", "--input 112x112")
        self.refused_training(2, [*square, "--input", "112x112", "--init-from", "base"], "base/step_00000003/model.safetensors", "112x96",
                              "112x112", "fc5", "--input 112x96", without=["--train-list"])  # fmt: skip
        # The size of a packed file's images is known.
        self.ok("pack", "--root", "square", "--out", "square.pack", "--input", "112x112")
        self.train("packed", "--pack", "square.pack", "--batch", 4, without=["--train-list", "--root"])
        image = described(newest("packed"))["roles"]["image"]
        self.assertEqual((image["height"], image["width"]), (112, 112))
        self.ok("check-data", "--pack", "square.pack")
        self.refused_training(2, ["--pack", "square.pack", "--init-from", "base"], "112x96", "square.pack", "112x112",
                              without=["--train-list", "--root"])  # fmt: skip
        self.train("from-packed", "--root", "square", "--batch", 4, "--init-from", "packed", without=["--train-list"])
        self.assertIn("image size 112x112 as packed/", read("from-packed/train.log"))

    def test_raw_pixels_of_another_size(self):
        lines = ["2\t1"] + [line for p in (0, 2) for line in (f"p{p}\t1\t2", f"p{p}\t1\tp{p + 1}\t2")]
        for i in range(4):
            for j in (1, 2):
                write(f"pairs-square/p{i}/p{i}_{j:04}.ppm", ppm(112, 112, 40 * i + 5 * j))
        write("square-pairs.txt", "\n".join(lines) + "\n")
        raw = ["eval", "--raw-pixels", "--pairs", "square-pairs.txt", "--root", "pairs-square"]
        self.refused(3, raw, "112x112", "pass --input 112x112")
        self.ok(*raw, "--input", "112x112")


if __name__ == "__main__":
    harness.main()
