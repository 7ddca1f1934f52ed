#!/usr/bin/env python3
"""The commands with --device cuda, where there is a GPU: their messages and files are the same as on a CPU. The numerical results are
compared in tests/cuda."""

import json
import unittest

import harness
from harness import CliTest, environment, faces, metrics, pairs, read, read_npy, run

BENCH = ["bench", "--device", "cuda", "--width", 0.0625, "--depth", 4, "--batch", 4, "--iterations", 2, "--classes", 7]


class Gpu(CliTest):
    @classmethod
    def setUpClass(cls):
        tried = run(*BENCH, "--forward-only")
        if any(reason in tried.err for reason in ("found none", "built without CUDA")):
            raise unittest.SkipTest("SKIPPED: there is no GPU")
        faces()
        pairs()

    def test_bench_in_every_precision(self):
        for precision in ("f32", "tf32", "bf16"):
            for flags in ([], ["--forward-only"], ["--no-graphs"], ["--deterministic"]):
                with self.subTest(precision=precision, flags=flags):
                    self.ok(*BENCH, "--precision", precision, *flags, "--json", "bench.json")
                    numbers = json.loads(read("bench.json"))
                    self.assertGreater(numbers["images_per_second"], 0)
                    self.assertGreater(numbers["device_mb"], 0)
                    self.assertIn("cuDNN", numbers["libraries"])
        self.ok(*BENCH, "--profile", "--json", "bench.json")
        kernels = json.loads(read("bench.json"))["kernels"]
        self.assertGreater(len(kernels), 10)
        self.assertTrue(all(kernel["ms"] > 0 and kernel["calls"] > 0 for kernel in kernels))

    def test_from_training_to_embeddings(self):
        on_gpu = ["--device", "cuda"]
        for precision in ("f32", "bf16"):
            with self.subTest(precision=precision):
                out = f"run-{precision}"
                self.train(out, *on_gpu, "--precision", precision, "--iterations", 10, "--val-pairs", "pairs.txt", "--val-root", "faces")
                self.assertIn("cuda:0", environment(out)["device"])
                self.assertEqual(metrics(out)[-1]["step"], 10)
                self.train(f"cpu-{precision}", "--device", "cpu", "--iterations", 10)
                # Ten steps of a tiny net: the loss is nearly the same with any rounding.
                here, there = (metrics(name)[-1]["loss"] for name in (f"cpu-{precision}", out))
                self.assertAlmostEqual(there / here, 1, delta=1e-3 if precision == "f32" else 0.05)
                self.ok("eval", "--model", out, "--pairs", "pairs.txt", "--root", "faces", *on_gpu, "--precision", precision, "--json", "e.json")
                self.assertEqual(json.loads(read("e.json"))["failed_images"], 0)
                self.ok("extract", "--model", out, "--root", "faces", "--out", "gpu.npy", *on_gpu, "--precision", precision)
                self.ok("extract", "--model", out, "--root", "faces", "--out", "cpu.npy", "--device", "cpu")
                for a, b in zip(read_npy("gpu.npy"), read_npy("cpu.npy")):
                    cosine = sum(x * y for x, y in zip(a, b)) / (harness.norm(a) * harness.norm(b))
                    self.assertGreater(cosine, 0.9999 if precision == "f32" else 0.995)
        self.ok("compare", "--a", "run-f32", "--b", "run-bf16", "--pairs", "pairs.txt", "--root", "faces", *on_gpu)


if __name__ == "__main__":
    harness.main()
