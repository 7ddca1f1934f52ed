#!/usr/bin/env python3
"""--convolution forces an algorithm, and --verbose shows which one each convolution used."""

import json
import os
import re
import shutil
from unittest import mock

import harness
from harness import CliTest, environment, faces, pairs, path, read, run, train_arguments

# Tiles need at least 16 channels. Depth 10 has convolutions of both strides.
BENCH = ["bench", "--depth", 10, "--width", 0.25, "--batch", 8, "--iterations", 1, "--classes", 7, "--threads", 1, "--verbose"]
STEPS = 1 + 2  # with those of the warm-up
os.environ.pop("AMNET_CONVOLUTION", None)  # the automatic choice is tested here
WIDE = ["--width", 0.25, "--depth", 4]


def told(text):
    """({(algorithm, pass and shape): calls}, [what had no tiles], (in all, by tiles, directly))"""
    table = {(algorithm.strip(), f"{kind.strip()} {shape}"): int(calls.replace(",", "")) for calls, algorithm, kind, shape in re.findall(
        r"(?m)^ +([\d,]+)  (direct|tiles \dx\d(?: bf16)?) {2,}([a-z ]{15})  (\d+->\d+, .*)$", text)}  # fmt: skip
    without = re.findall(r"(?m)^No tiles, though (.*)$", text)
    (sums,) = re.findall(r"(?m)^([\d,]+) convolutions: ([\d,]+) by tiles, ([\d,]+) directly$", text)
    return table, without, tuple(int(number.replace(",", "")) for number in sums)


class Convolution(CliTest):
    def bench(self, *flags):
        return told(self.ok(*BENCH, *flags).out)

    def test_every_convolution_of_a_step_is_told(self):
        table, without, sums = self.bench()
        for calls in table.values():
            self.assertEqual(calls % STEPS, 0)
        self.assertEqual(table["direct", "forward 3->16, 3x3/2 on 112x96, 8 images"], STEPS)
        passes = [name.rsplit(" ", 6)[0] for _, name in table]
        self.assertEqual(set(passes), {"forward", "data gradient", "weight gradient"})
        self.assertEqual(sums[0], sum(table.values()))
        self.assertEqual(sums[0], sums[1] + sums[2])
        self.assertGreater(sums[1], 0)
        self.assertEqual(sums[2], sum(calls for (algorithm, _), calls in table.items() if algorithm == "direct"))
        self.assertIn("3x3: forward 3->16, 3x3/2 on 112x96, 8 images", without, "three channels are no vector")
        self.assertEqual({name.split(": ")[1] for name in without}, {name for algorithm, name in table if algorithm == "direct"})

    def test_direct_is_direct_and_no_fallback(self):
        table, without, (total, by_tiles, directly) = self.bench("--convolution", "direct")
        self.assertEqual({algorithm for algorithm, _ in table}, {"direct"})
        self.assertEqual((by_tiles, directly, without), (0, total, []))
        self.assertEqual(total, self.bench()[2][0], "the same work")

    def test_the_environment_stands_in_for_automatic(self):
        with mock.patch.dict(os.environ, AMNET_CONVOLUTION="direct"):
            self.assertEqual({algorithm for algorithm, _ in self.bench()[0]}, {"direct"})
            self.assertIn("tiles 4x4", {algorithm for algorithm, _ in self.bench("--convolution", "tiles-4")[0]})
        with mock.patch.dict(os.environ, AMNET_CONVOLUTION="fast"):
            self.refused(2, BENCH, "'fast'", "tiles-2")

    def test_tiles_of_every_size(self):
        for size in (2, 3, 4, 5, 6):
            with self.subTest(size=size):
                table, without, _ = self.bench("--convolution", f"tiles-{size}")
                of_stride_1 = {algorithm for algorithm, name in table if "3x3/1" in name}
                self.assertEqual(of_stride_1, {f"tiles {size}x{size}"})
                # The stem, in its two passes: the gradient of the pixels is not needed.
                self.assertEqual([name.split(",")[0] for name in without], [f"tiles-{size}: forward 3->16", f"tiles-{size}: weight gradient 3->16"])

    def test_large_counts_are_grouped(self):
        _, _, (total, _, _) = told(self.ok("bench", "--depth", 4, "--width", 0.0625, "--batch", 1, "--iterations", 100, "--verbose").out)
        self.assertEqual(total, (4 + 4 + 3) * 102)

    def test_the_device_is_named_or_refused_in_one_sentence(self):
        for device in ("cpu", "auto"):
            out = self.ok(*BENCH, "--device", device, "--deterministic", "--no-graphs").out
            self.assertRegex(out, "cpu with 1 thread" if device == "cpu" else "cpu with|cuda:0")
        self.refused(2, [*BENCH, "--device", "cuda:99"], "--device cpu")  # a build without CUDA, a machine without a GPU, or one with fewer
        for device in ("gpu", "cuda:", "cuda:x", "cuda:-1"):
            self.refused(2, [*BENCH, "--device", device], "--device", "cuda:N")
        self.refused(2, [*BENCH, "--device", "cpu", "--precision", "tf32"], "tf32")

    def test_bf16_is_told_or_refused_in_one_sentence(self):
        embed = [*BENCH, "--forward-only", "--precision", "bf16"]
        self.refused(2, [*BENCH, "--precision", "bf16"], "--forward-only")
        self.refused(2, [*BENCH, "--forward-only", "--precision", "f16"], "--precision")
        self.refused(2, [*train_arguments("refused"), "--precision", "bf16"], "--precision")
        result = run(*embed)
        if result.code != 0:
            self.refused(2, embed, "AVX512-BF16", "f32")
            self.skipTest("this build has no bf16 dot products")
        table, _, _ = told(result.out)
        self.assertTrue(all(algorithm == "direct" or re.fullmatch(r"tiles [2-4]x[2-4] bf16", algorithm) for algorithm, _ in table), table)
        self.assertIn("bf16", " ".join(algorithm for algorithm, _ in table))

    def test_silent_unless_asked(self):
        self.assertNotIn("convolution", self.ok(*[flag for flag in BENCH if flag != "--verbose"]).out)


class Commands(CliTest):
    @classmethod
    def setUpClass(cls):
        faces()
        pairs()
        if not os.path.exists(path("wide")):
            cls().train("wide", *WIDE)

    def test_every_command_that_computes_takes_both(self):
        where = ["--pairs", "pairs.txt", "--root", "faces"]
        for arguments in [["eval", "--model", "wide", *where], ["extract", "--model", "wide", "--root", "faces", "--out", "e.npy"],
                          ["compare", "--a", "wide", "--b", "wide", *where]]:  # fmt: skip
            with self.subTest(command=arguments[0]):
                for algorithm in ["direct", "tiles-2"]:
                    table, _, (total, by_tiles, _) = told(self.ok(*arguments, "--convolution", algorithm, "--verbose").out)
                    self.assertTrue(all("forward" in name for _, name in table), "an embedding has no gradients")
                    self.assertEqual(by_tiles > 0, algorithm == "tiles-2")
                    self.assertGreater(total, 0)
        pixels = self.ok("eval", "--raw-pixels", *where, "--verbose").out
        self.assertEqual(told(pixels), ({}, [], (0, 0, 0)))

    def test_training_tells_at_its_end(self):
        result = self.train("told", *WIDE, "--convolution", "tiles-3", "--verbose", "--val-pairs", "pairs.txt", "--val-root", "faces")
        table, _, _ = told(result.out)
        self.assertRegex(result.out, r"directly\n$")
        self.assertEqual(table["tiles 3x3", "weight gradient 16->32, 3x3/2 on 56x48, 8 images"], 3)
        self.assertEqual(environment("told")["convolution"], "tiles-3")
        self.assertIn("convolutions tiles-3", read("told/train.log"))
        self.assertNotIn("by tiles", self.ok(*train_arguments("silent", *WIDE)).out)

    def test_a_run_is_resumed_with_another_algorithm(self):
        shutil.rmtree(path("resumed"), ignore_errors=True)
        shutil.copytree(path("wide"), path("resumed"), symlinks=True)
        result = self.ok(*train_arguments("resumed", *WIDE, "--resume", "auto", "--iterations", 5, "--convolution", "direct", "--verbose"))
        self.assertIn('Setting changed since the checkpoint: convolution = "direct", was "automatic"', result.err)
        self.assertEqual({algorithm for algorithm, _ in told(result.out)[0]}, {"direct"})
        self.assertIn("resumed run may have another", re.sub(r"\s+", " ", self.ok("train", "--help").out))

    def test_algorithms_differ_in_rounding_alone(self):
        rows = {}
        for algorithm in ["direct", "tiles-4"]:
            self.ok("extract", "--model", "wide", "--root", "faces", "--out", "x.npy", "--normalize", "--convolution", algorithm)
            rows[algorithm] = harness.read_npy("x.npy")
        for one, other in zip(*rows.values()):
            self.assertAlmostEqual(harness.norm([a - b for a, b in zip(one, other)]), 0, delta=1e-4)
        self.assertNotEqual(rows["direct"], rows["tiles-4"])

    def test_embeddings_in_bf16(self):
        where = ["--pairs", "pairs.txt", "--root", "faces"]
        rows = {}
        for precision in ["f32", "bf16"]:
            extract = ["extract", "--model", "wide", "--root", "faces", "--out", "x.npy", "--normalize", "--precision", precision]
            if precision == "bf16" and run(*extract).code != 0:
                self.refused(2, extract, "AVX512-BF16", "f32")
                self.skipTest("this build has no bf16 dot products")
            self.ok(*extract)
            rows[precision] = harness.read_npy("x.npy")
            self.assertEqual("bf16" in self.ok("eval", "--model", "wide", *where, "--verbose", "--precision", precision).out, precision == "bf16")
        self.assertNotEqual(*rows.values())
        for one, other in zip(*rows.values()):
            self.assertGreater(sum(a * b for a, b in zip(one, other)), 0.9998)

    def test_a_bench_says_which_it_was(self):
        self.ok("bench", "--depth", 4, "--width", 0.0625, "--batch", 1, "--iterations", 1, "--json", "b.json", "--convolution", "tiles-5")
        self.assertEqual(json.loads(read("b.json"))["convolution"], "tiles-5")
        self.assertEqual(json.loads(read("b.json"))["precision"], "f32")


if __name__ == "__main__":
    harness.main()
