#!/usr/bin/env python3
"""Does training on real faces notice that its convolutions are computed by tiles?

    python3 tests/bench/loss_curves.py --train-face build/release/examples/train_face/train_face

A step's rounding errors grow in the following steps, whatever computes them, so any two loss curves diverge at some point. The measure of the
distance is the direct algorithm's own: it starts again from weights each of which was multiplied by 1 + 1e-6 n, n normal. Tiles pass where their
curve stays no further from the direct one than the furthest of those does. Curves are means over 20 steps. With 5 draws an algorithm that
differs no more than a draw does is still the furthest in one of six measurements: after a narrow miss, take more draws. Needs the shared face
data beside the checkout ($AMNET_SHARED, else ../shared); standard library only.
"""
import argparse
import array
import csv
import json
import os
import random
import struct
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple, Optional

ROOT = Path(__file__).resolve().parents[2]
STEPS, SMOOTHED_OVER = 200, 20
DRAWS, PERTURBATION = 5, 1e-6
# The first steps of the recipe of docs/training_faces.md, at its full rate from step 100 on.
RECIPE = ("--preset", "small", "--width", 0.25, "--batch", 64, "--lr-steps", 1_000_000)


class Faces(NamedTuple):
    root: Path
    train_list: Path


class Gaps(NamedTuple):
    """The largest distances of smoothed loss curves from that of the direct algorithm."""

    automatic: float
    perturbed: list  # one for each draw
    final_loss: float  # of the direct curve: the value that the gaps are compared with

    def allowed(self):
        return max(self.perturbed)

    def share(self):
        return self.automatic / self.allowed()

    def __str__(self):
        return (f"largest gap {self.automatic:.2g}, of perturbed starts {self.allowed():.2g} "
                f"({len(self.perturbed)} draws from {min(self.perturbed):.2g}); loss {self.final_loss:.2f} at the end")


def shared_faces() -> Optional[Faces]:
    shared = Path(os.environ.get("AMNET_SHARED", ROOT.parent / "shared"))
    faces = Faces(shared / "data" / "faces", shared / "data" / "faces" / "train_list.txt")
    return faces if faces.train_list.is_file() else None


def smoothed(losses, over=SMOOTHED_OVER):
    """Means over so many neighbouring values; empty where there are fewer."""
    return [sum(losses[i:i + over]) / over for i in range(len(losses) - over + 1)]


def gap(curve, other):
    return max(abs(a - b) for a, b in zip(curve, other))


def perturb(source, target, seed, size=PERTURBATION):
    """Copies a safetensors file of floats, each times 1 + size * n with n normal."""
    data = Path(source).read_bytes()
    begin = 8 + struct.unpack_from("<Q", data)[0]
    kinds = {tensor["dtype"] for name, tensor in json.loads(data[8:begin]).items() if name != "__metadata__"}
    if kinds != {"F32"}:
        raise ValueError(f"expected a model of F32 tensors but {source} has {', '.join(sorted(kinds))}")
    weights = array.array("f", data[begin:])
    draw = random.Random(seed).gauss
    for i, weight in enumerate(weights):
        weights[i] = weight * (1 + size * draw(0, 1))
    Path(target).write_bytes(data[:begin] + weights.tobytes())


class Trainer:
    """Runs train_face in a scratch directory. `execute(command, environment)` must fail where the program does."""

    def __init__(self, execute, train_face, faces, scratch, recipe):
        self.execute, self.train_face, self.faces, self.scratch, self.recipe = execute, train_face, faces, Path(scratch), recipe
        self.environment = {key: value for key, value in os.environ.items() if key != "AMNET_CONVOLUTION"}
        self.environment["OMP_WAIT_POLICY"] = "passive"  # no times are measured, so other processes may use the cores

    def train(self, name, steps, *flags):
        """The run's folder."""
        out = self.scratch / name
        print(f"    {name}, {steps} steps", file=sys.stderr, flush=True)
        command = [self.train_face, "train", "--root", self.faces.root, "--train-list", self.faces.train_list, "--out", out, "--iterations",
                   steps, "--log-every", 1, "--checkpoint-every", steps, *self.recipe, *flags]
        self.execute([str(part) for part in command], self.environment)
        return out

    def losses(self, name, steps, *flags):
        with open(self.train(name, steps, *flags) / "metrics.csv") as file:
            return [float(row["loss"]) for row in csv.DictReader(file)]


def measure(execute, train_face, faces, steps=STEPS, draws=DRAWS, smoothed_over=SMOOTHED_OVER, recipe=RECIPE):
    with tempfile.TemporaryDirectory(prefix="amnet_loss_curves_") as scratch:
        trainer = Trainer(execute, train_face, faces, scratch, recipe)
        # A step at rate 0 leaves the weights as they were drawn.
        start = trainer.train("start", 1, "--lr", 0) / "last" / "model.safetensors"

        def curve(name, algorithm, weights):
            return smoothed(trainer.losses(name, steps, "--convolution", algorithm, "--init-from", weights), smoothed_over)

        direct = curve("direct", "direct", start)
        automatic = gap(curve("automatic", "automatic", start), direct)
        perturbed = []
        for draw in range(1, draws + 1):
            other = Path(scratch) / f"perturbed-{draw}.safetensors"
            perturb(start, other, seed=draw)
            perturbed.append(gap(curve(f"direct, draw {draw}", "direct", other), direct))
            other.unlink()
        return Gaps(automatic, perturbed, direct[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", 1)[0])
    parser.add_argument("--train-face", type=Path, default=ROOT / "build" / "release" / "examples" / "train_face" / "train_face", metavar="PROGRAM")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--draws", type=int, default=DRAWS)
    arguments = parser.parse_args()
    faces = shared_faces()
    if faces is None:
        print("SKIPPED: the shared data directory is absent (set AMNET_SHARED)")
        return 0
    if not arguments.train_face.exists():
        parser.error(f"--train-face: there is no program {arguments.train_face}; build it")
    if arguments.draws < 1:
        parser.error("--draws: expected at least 1")
    if arguments.steps < SMOOTHED_OVER:
        parser.error(f"--steps: expected at least {SMOOTHED_OVER}, over which the curves are smoothed")

    def execute(command, environment):
        result = subprocess.run(command, env=environment, capture_output=True, text=True)
        if result.returncode != 0:
            sys.exit(result.stderr.strip().splitlines()[-1])

    gaps = measure(execute, arguments.train_face, faces, arguments.steps, arguments.draws)
    met = gaps.share() <= 1
    print(f"{gaps}: {'met' if met else 'MISSED'}")
    print("draws: " + ", ".join(f"{one:.3g}" for one in gaps.perturbed))
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
