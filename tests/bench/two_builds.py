#!/usr/bin/env python3
"""Whether one build of train_face is slower than another, on this machine: both run by turns, and the median of the pairs' ratios has
an interval of 95 %.

    ./run bench turns OLD NEW             programs, or build directories that hold one
    ./run bench turns OLD NEW --rows embedding-b1 --pairs 60
    ./run bench single --rows training    tests/bench/embedded.cpp on the library, and on amnet as one header

A pair is one run of each, next to each other in time; the order changes from pair to pair. A ratio is the new build's seconds divided
by the old one's: below 1 the new one is faster. It is "not slower" where the upper end of the interval is at most --bar.
"""
import argparse
import json
import statistics
import sys
import tempfile
import time
from math import comb
from pathlib import Path
from typing import NamedTuple

from running import Failure, execute, positive
from verdicts import number, table


class Row(NamedTuple):
    """The arguments of `train_face bench`."""

    flags: list
    batch: int
    iterations: int


ROWS = {
    "training": Row([], 32, 3),
    "embedding": Row(["--forward-only"], 32, 6),
    "embedding-b1": Row(["--forward-only"], 1, 60),
}


class Measured(NamedTuple):
    seconds: float  # of an image
    peak_mb: float


def program_of(named):
    """The train_face program at a path. Failure where there is none."""
    path = Path(named)
    for candidate in (path, path / "train_face", path / "examples/train_face/train_face", path / "build/release/examples/train_face/train_face"):
        if candidate.is_file():
            return candidate
    raise Failure(f"{named}: there is no train_face here; name a program, or a build directory with one")


def interval_of_median(values, confidence=0.95):
    """Two of the values, between which the median of their distribution lies with at least that confidence, for any distribution: Conover,
    Practical Nonparametric Statistics, 3.2. The least and the largest where there are too few values for that confidence."""
    ordered = sorted(values)
    n, outside, k = len(ordered), 0.0, 0
    # The median lies below the k-th smallest value with the chance that fewer than k of n fall
    # below it.
    while k < n // 2 and outside + 2 * comb(n, k) / 2**n <= 1 - confidence:
        outside += 2 * comb(n, k) / 2**n
        k += 1
    k = max(k - 1, 0)
    return ordered[k], ordered[n - 1 - k]


def verdict_of(ratios, bar):
    return "not slower" if interval_of_median(ratios)[1] <= bar else "SLOWER, or too few pairs to tell"


def run(program, row, arguments):
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "bench.json"
        execute([program, "bench", *row.flags, "--batch", row.batch, "--iterations", row.iterations, "--width", arguments.width,
                 "--depth", arguments.depth, "--threads", arguments.threads, "--json", out])
        told = json.loads(out.read_text())
    return Measured(1 / told["images_per_second_best"], told["peak_rss_mb"])


def measure(name, programs, arguments):
    """The pairs (old, new) of a row."""
    row, pairs = ROWS[name], []
    for pair in range(arguments.pairs):
        order = (0, 1) if pair % 2 == 0 else (1, 0)
        runs = {which: run(programs[which], row, arguments) for which in order}
        pairs.append((runs[0], runs[1]))
        print(f"\r{name}: {pair + 1} of {arguments.pairs} pairs ", end="", file=sys.stderr, flush=True)
    print("\r\033[K", end="", file=sys.stderr)
    return pairs


def line_of(name, pairs, bar):
    ratios = [new.seconds / old.seconds for old, new in pairs]
    low, high = interval_of_median(ratios)
    rates = [number(1 / statistics.median(side.seconds for side in sides)) for sides in zip(*pairs)]
    peaks = " / ".join(number(max(side.peak_mb for side in sides), 0) for sides in zip(*pairs))
    return [name, *rates, f"{statistics.median(ratios):.3f}", f"{low:.3f} … {high:.3f}", str(len(pairs)), peaks, verdict_of(ratios, bar)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0], prog="./run bench turns")
    parser.add_argument("old", metavar="OLD", help="the build that is compared with")
    parser.add_argument("new", metavar="NEW", help="the build in question")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), help="what is timed (default: all)")
    parser.add_argument("--pairs", type=positive, default=40, help="runs of each (default: 40)")
    parser.add_argument("--width", type=float, default=1.0, help="of the network (default: 1)")
    parser.add_argument("--depth", type=positive, default=20, help="of the network (default: 20)")
    parser.add_argument("--threads", type=int, default=0, help="of each (default: all)")
    parser.add_argument("--bar", type=float, default=1.02, help="the most that the interval's upper end may be (default: 1.02)")
    arguments = parser.parse_args()
    try:
        programs = [program_of(arguments.old), program_of(arguments.new)]
        begun, lines, slower = time.strftime("%d %B %Y, %H:%M"), [], False
        for name in arguments.rows:
            lines.append(line_of(name, measure(name, programs, arguments), arguments.bar))
            slower = slower or lines[-1][-1] != "not slower"
    except Failure as failure:
        print(f"{failure}.", file=sys.stderr)
        return 1
    print(f"{begun}. Old: {programs[0]}; new: {programs[1]}. Width {arguments.width:g}, depth {arguments.depth}. Best step of each run.\n")
    print(table(["row", "old, images/s", "new, images/s", "new/old seconds, median", "95 %", "pairs", "peak MB, old / new", "verdict"], lines, left=(0, 7)))
    return 1 if slower else 0


if __name__ == "__main__":
    sys.exit(main())
