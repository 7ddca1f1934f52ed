#!/usr/bin/env python3
"""The memory forecast in the first lines of a run, compared with the process's peak memory: right within 10 %."""

import os
import re
import subprocess
import unittest

import harness
from harness import CliTest, environment, faces, image_of, pairs, path, read, start, train_arguments

LONG = 3_000_000  # lines
VERIFY = ["--val-pairs", "pairs.txt", "--val-root", "faces"]
RUNS = {
    "plain": ["--depth", 20, "--width", 0.25, "--embedding", 512, "--batch", 32, "--iterations", 3],
    "verified": ["--depth", 20, "--width", 0.25, "--embedding", 512, "--batch", 32, "--iterations", 2, *VERIFY],
    "two threads, many classes": ["--depth", 10, "--width", 0.25, "--embedding", 512, "--batch", 16, "--iterations", 2, "--threads", 2, "--classes", 10516],
    "wide": ["--depth", 10, "--width", 0.5, "--embedding", 512, "--batch", 8, "--iterations", 2, "--workers", 3],
    # Its scratch memory grows several times: the smaller blocks must be freed.
    "wide, by large tiles": ["--depth", 10, "--width", 0.5, "--embedding", 512, "--batch", 8, "--iterations", 2, "--workers", 3, "--convolution", "tiles-6"],
    # Millions of lines: a list takes its characters and 16 bytes per line, and 4 for the order of
    # an epoch.
    "long list": ["--train-list", "long.txt", "--iterations", 2],
    "long list in disorder": ["--train-list", "disorder.txt", "--iterations", 2],
    "full width": ["--depth", 20, "--width", 1, "--embedding", 512, "--batch", 16, "--iterations", 2, "--threads", 2],
}  # fmt: skip


def write_pieces(name, pieces):
    with open(path(name), "w") as file:
        for lines in pieces:
            file.writelines(lines)


@unittest.skipIf(harness.SANITIZED, "a sanitizer takes memory of its own")
class Memory(CliTest):
    def test_forecast(self):
        faces()
        pairs()
        lines = [f"{image_of(person, image)} {person}\n" for person in range(12) for image in range(6)]
        # In pieces: the peak memory of a child starts at the size of this process.
        write_pieces("long.txt", ([line] * 100 for line in lines for _ in range(LONG // len(lines) // 100)))
        write_pieces("disorder.txt", (lines for _ in range(LONG // len(lines))))
        for number, (name, flags) in enumerate(RUNS.items()):
            with self.subTest(name=name):
                out = f"run-{number}"
                process = start(*train_arguments(out, *flags), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                _, status, usage = os.wait4(process.pid, 0)
                process.returncode = status
                self.assertEqual(status, 0, read(f"{out}/train.log"))
                peak, forecast = usage.ru_maxrss * 1024, environment(out)["memory_forecast_bytes"]
                print(f"{name}: forecast {forecast / 1e6:.0f} MB, took {peak / 1e6:.0f} MB")
                self.assertGreater(peak, 100e6, "large enough to matter")
                self.assertLess(abs(forecast / peak - 1), 0.1)
                in_the_log = re.search(r"Memory: (\d+) MB in all = (.*)", read(f"{out}/train.log"))
                self.assertEqual(int(in_the_log[1]), round(forecast / 1e6))
                self.assertAlmostEqual(sum(map(int, re.findall(r"(\d+) MB", in_the_log[2]))), int(in_the_log[1]), delta=4)
        self.assertGreater(environment("run-1")["memory_forecast_bytes"], environment("run-0")["memory_forecast_bytes"])

    def test_many_pairs(self):
        faces()
        self.train("m")
        each = 500_000  # pairs of a kind, in each of two folds
        with open(path("many.txt"), "w") as file:
            file.write(f"2\t{each}\n")
            for _ in range(2):
                for kind in ("id_{0:05}\t{2}\t{3}\n", "id_{0:05}\t{2}\tid_{1:05}\t{3}\n"):
                    lines = [kind.format(n % 12, (n + 1) % 12, n % 6 + 1, (n + 1) % 6 + 1) for n in range(100)]
                    for _ in range(each // 100):
                        file.writelines(lines)
        process = start("eval", "--model", "m", "--pairs", "many.txt", "--root", "faces", "--threads", 1, stdout=subprocess.DEVNULL)
        told = process.stderr.read().decode()
        _, process.returncode, usage = os.wait4(process.pid, 0)
        self.assertEqual(process.returncode, 0, told)
        forecast, peak = int(re.search(r"Memory: (\d+) MB in all = verification", told)[1]), usage.ru_maxrss * 1024 / 1e6
        print(f"many pairs: forecast {forecast} MB, took {peak:.0f} MB")
        self.assertLess(abs(forecast / peak - 1), 0.1)


if __name__ == "__main__":
    harness.main()
