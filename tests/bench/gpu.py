#!/usr/bin/env python3
"""Holds amnet's speed and memory on a GPU against PyTorch on the same one, and against its rate of matrix products.

    ./run bench gpu [--quick] [--rows NAME…] [--pairs N] [--python PROGRAM] [--json FILE] [--markdown FILE]
    ./run bench gpu --profile [--rows NAME…]

amnet and PyTorch run alternately, A B A B, each run in a process of its own, and a ratio is that of two neighbouring runs. PyTorch
(tests/bench/pytorch_rival.py) runs in the fastest of its modes, which is found first, with a Python that already has it; only where there is none
it is installed under build/pytorch. The matrix rate is that of 8192x8192 products in the row's precision, measured before and after each row. With
--profile nothing is compared: it reports the time of each kernel of amnet in a step. All measurements are also written to build/gpu.json. Ends
with 1 if a bar is missed, else with 0.
"""
import argparse
import csv
import datetime
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import machine
import pytorch_python
import work
from gpu_rows import BAR_ROWS, FREE_ROWS, STEPS_PER_WAIT, Line, Setting, chosen_rows, comparison_table, is_missed, judged, profile_table
from running import ROOT, Failure, commit, execute, positive
from turns import Turns
from verdicts import ratios

MODES = ("eager", "compile", "reduce-overhead", "max-autotune")
MODE_NAMES = {"eager": "eager", "compile": "torch.compile", "reduce-overhead": "torch.compile, CUDA graphs",
              "max-autotune": "torch.compile, max-autotune"}
BAR_PAIRS, FREE_PAIRS = 5, 2
COMPILE_SECONDS = 1800  # after which a run of PyTorch, which may try hundreds of kernels, counts as hung
LOG_EVERY, LOGS_LEFT_OUT, LOGS = 20, 3, 10  # of a training run with data; the first lines fall into the start-up phase
IDENTITIES, IMAGES = 400, 20  # of the faces that are drawn for it


class Programs:
    """Runs amnet, PyTorch and the matrix products; keeps all their output."""

    def __init__(self, arguments):
        self.train_face = arguments.build / "examples" / "train_face" / "train_face"
        if not self.train_face.exists():
            raise Failure(f"expected the program train_face under {arguments.build} but it is not there; "
                          f"use ./run bench gpu, which builds it")
        self.arguments = arguments
        self.python = None if arguments.profile else pytorch_python.with_gpu(arguments.python)
        self.runs = []
        self.packed = None
        self.workers = arguments.workers or min(16, machine.cores())

    def matrix_tflops(self, precision):
        return json.loads(execute([self.python, ROOT / "tests" / "bench" / "matrix_rate.py", "--precision", precision]))["tflops"]

    def amnet(self, setting, iterations=None):
        if setting.task == "loading":
            return self.noted("amnet", setting, "", self.train_on_faces(setting))
        return self.noted("amnet", setting, "", self.bench(setting, iterations))

    def bench(self, setting, iterations=None, *flags):
        return self.written(iterations, setting, [self.train_face, "bench", "--device", "cuda", "--precision", setting.precision, *flags])

    def rival(self, setting, mode, iterations=None):
        command = [self.python, ROOT / "tests" / "bench" / "pytorch_rival.py", "--device", "cuda", "--mode", mode, "--precision",
                   setting.precision]
        if setting.task == "loading":
            command += ["--faces", self.faces()[0], "--workers", self.workers]
        # Compiled code is kept from one run to the next.
        environment = dict(os.environ, TORCHINDUCTOR_CACHE_DIR=str(ROOT / "build" / "pytorch-compiled-gpu"))
        return self.noted("pytorch", setting, mode, self.written(iterations, setting, command, environment))

    def written(self, iterations, setting, command, environment=None):
        """What the program writes with --json."""
        with tempfile.TemporaryDirectory(prefix="amnet_bench_") as scratch:
            file = Path(scratch) / "result.json"
            command = [*command, "--batch", setting.batch, "--classes", setting.classes, "--width", self.arguments.width, "--iterations",
                       iterations or self.arguments.iterations or setting.iterations(), "--steps-per-wait", STEPS_PER_WAIT, "--json", file]
            if setting.task == "embedding":
                command.append("--forward-only")
            execute(command, environment, COMPILE_SECONDS)
            return json.loads(file.read_text())

    def train_on_faces(self, setting):
        """A training run as a user starts it, from a packed file, and the figures of its log after the start-up phase."""
        with tempfile.TemporaryDirectory(prefix="amnet_bench_") as scratch:
            steps = LOG_EVERY * (LOGS_LEFT_OUT + LOGS)
            execute([self.train_face, "train", "--device", "cuda", "--precision", setting.precision, "--pack", self.faces()[1], "--classes",
                     setting.classes, "--batch", setting.batch, "--width", self.arguments.width, "--workers", self.workers,
                     "--iterations", steps, "--log-every", LOG_EVERY, "--checkpoint-every", steps, "--lr", 0.001,
                     "--out", Path(scratch) / "run"])
            with open(Path(scratch) / "run" / "metrics.csv") as file:
                return training_numbers(list(csv.DictReader(file)))

    def faces(self):
        """(folder, packed file) of JPEGs: the named ones, or drawn ones, which are kept."""
        if self.packed is None:
            folder, pack = self.arguments.faces, ROOT / "build" / "gpu_faces_given.pack"
            if folder is None:
                folder, pack = ROOT / "build" / "gpu_faces", ROOT / "build" / "gpu_faces.pack"
                if not folder.exists():
                    print("  Drawing faces under build/gpu_faces, once …", file=sys.stderr, flush=True)
                    with tempfile.TemporaryDirectory(prefix="gpu_faces_", dir=ROOT / "build") as partial:
                        drawn = Path(partial) / "faces"
                        execute([self.train_face, "synth", "--out", drawn, "--identities", IDENTITIES, "--images", IMAGES])
                        drawn.rename(folder)
            execute([self.train_face, "pack", "--root", folder, "--out", pack, "--workers", self.workers])
            self.packed = folder, pack
        return self.packed

    def noted(self, program, setting, mode, numbers):
        run = {**numbers, "program": program, "task": setting.task, "precision": setting.precision, "mode": mode}
        self.runs.append(run)
        marks = f" [{mode}]" if mode else ""
        print(f"    {program:8}{run['images_per_second']:10,.0f} images/s{marks}", file=sys.stderr, flush=True)
        return run


def training_numbers(rows):
    """Of the lines of metrics.csv, except the first ones."""
    rows = rows[LOGS_LEFT_OUT:]
    if not rows:
        raise Failure("the training run logged too little to be measured")
    return {"images_per_second": statistics.median(float(row["samples_per_second"]) for row in rows),
            "wait_share": statistics.mean(float(row["wait_fraction"]) for row in rows)}


class Comparison(Turns):
    trial_seconds = 120

    def __init__(self, programs, arguments):
        super().__init__(programs, arguments)
        self.tflops = {}  # by row: the rates measured before and after it

    def modes_of(self, setting):
        return self.arguments.modes

    def mode_key(self, setting):
        """Loading runs the same computation as training."""
        return "training" if setting.task == "loading" else setting.task, setting.precision

    def trial_of(self, setting):
        task, precision = self.mode_key(setting)
        return Setting(task, precision=precision)

    def try_mode(self, trial, mode):
        return self.programs.rival(trial, mode, 3)["images_per_second"]

    def rival_setting(self, row):
        return row.setting

    def pairs_of(self, row):
        return self.arguments.pairs or (1 if self.arguments.quick else BAR_PAIRS if any(row.bars) else FREE_PAIRS)

    def reason_to_skip(self, row):
        return None

    def cost(self, row):
        return [(("amnet", row.setting), 30), (("pytorch", row.setting), 60)]

    def empty_line(self, row, why):
        return Line(row.name, bars=self.bars_of(row), verdict=why)

    def bars_of(self, row):
        """Bars apply to the network at full width."""
        return row.bars if self.arguments.width == 1 else type(row.bars)()

    def measure_row(self, row, pairs):
        setting, missing = row.setting, []
        mode = self.mode_of(setting)
        rates = self.tflops[row.name] = [self.programs.matrix_tflops(setting.precision)]

        def pair():
            ours = self.timed(("amnet", setting), lambda: self.programs.amnet(setting))
            if missing:
                return ours, None
            try:
                return ours, self.timed(("pytorch", setting), lambda: self.programs.rival(setting, mode))
            except Failure as failure:
                # The rival may lack a decoder; amnet's figures are reported in any case.
                if setting.task != "loading":
                    raise
                missing.append(f"PyTorch's part: {failure}")
                return ours, None

        done = self.by_turns(row, pairs, pair)
        rates.append(self.programs.matrix_tflops(setting.precision))
        notes = missing + ([f"{len(done)} of {pairs} pairs"] if len(done) < pairs else [])
        self.lines[row.name] = self.line_of(row, done, mode, statistics.median(rates), "; ".join(notes))

    def line_of(self, row, done, mode, tflops, note):
        ours, theirs = [run for run, _ in done], [run for _, run in done if run]
        rate = median_of(ours, "images_per_second")
        task = "embedding" if row.setting.task == "embedding" else "training"
        flops = rate * work.flops_per_image(task, row.setting.classes, self.arguments.width)
        return judged(Line(
            row.name, rate, median_of(theirs, "images_per_second"), MODE_NAMES[mode] if theirs else "",
            ratios((one["images_per_second"], other["images_per_second"]) for one, other in done if other), flops / 1e12 / tflops,
            median_of(ours, "device_mb"), median_of(theirs, "device_mb"), median_of(ours, "wait_share"), median_of(theirs, "wait_share"),
            self.bars_of(row), note=note))


def median_of(runs, key):
    values = [run[key] for run in runs if key in run]
    return statistics.median(values) if values else None


# ---- the report -----------------------------------------------------------------------------------------------------------------


def report_text(record, lines):
    gpu, versions = record["gpu"], record["versions"]
    pytorch = f"PyTorch {versions.get('torch', '–')} (CUDA {versions.get('cuda', '–')}, cuDNN {versions.get('cudnn', '–')})"
    said = [f"{versions.get('gpu', gpu['name'])}, driver {gpu['driver']}, {gpu['memory_mb']} MB; {record['machine']['cpu']}, "
            f"{record['machine']['cores']} cores",
            f"amnet {record['commit']} ({versions.get('libraries', '?')}); {pytorch}; {record['date']}"]
    if record["width"] != 1:
        said.append(f"Width {record['width']}: not the network that the bars are for.")
    if gpu["busy"]:
        said.append("The GPU did other work when this began: its figures mean little.")
    rates = "; ".join(f"{name} {statistics.median(values):,.0f}" for name, values in record["matrix_tflops"].items())
    return "\n\n".join(["\n".join(said), comparison_table(lines), f"Matrix rate of each row's precision, TFLOP/s: {rates}"])


def record_of(programs, comparison, arguments, gpu, begun):
    versions = {}
    for run in programs.runs:
        versions.update({key: run[key] for key in ("gpu", "libraries", "torch", "cuda", "cudnn") if key in run})
    return {
        "date": begun, "minutes": comparison.budget.elapsed() / 60, "commit": commit(), "gpu": gpu, "machine": machine.describe(),
        "versions": versions, "width": arguments.width, "options": {key: str(value) for key, value in vars(arguments).items()},
        "mode_trials": comparison.trials, "matrix_tflops": comparison.tflops,
        "rows": {name: {**line._asdict(), "ratio": line.ratio and line.ratio._asdict(), "bars": line.bars._asdict()}
                 for name, line in comparison.lines.items()},
        "runs": programs.runs,
    }


def profile(programs, rows):
    """The kernels of a step of each row, one table after the other."""
    texts, numbers = [], {}
    for row in rows:
        if row.setting.task == "loading":
            continue  # its steps are those of training
        numbers[row.name] = told = programs.bench(row.setting, None, "--profile")
        step_ms = 1e3 * row.setting.batch / told["images_per_second"]
        texts.append(f"{row.name}, {told['gpu']}, {told['libraries']}: a step takes {step_ms:.3f} ms. "
                     f"Kernels are timed one by one, which adds a few microseconds to each.\n\n{profile_table(told)}")
    return "\n\n".join(texts), numbers


def parse(words):
    names = [row.name for row in (*BAR_ROWS, *FREE_ROWS)]
    parser = argparse.ArgumentParser(prog="./run bench gpu", description=__doc__.split("\n\n", 1)[0],
                                     epilog="Rows: " + ", ".join(names) + ". Ends with 1 if a bar is missed.")
    parser.add_argument("--rows", nargs="+", metavar="NAME", choices=names, help="only these; see below")
    parser.add_argument("--quick", action="store_true", help="1 pair of the first three rows")
    parser.add_argument("--pairs", type=positive, metavar="N", help=f"of every row (default: {BAR_PAIRS} with a bar, {FREE_PAIRS} without)")
    parser.add_argument("--profile", action="store_true",
                        help="compare nothing: the milliseconds of each kernel of amnet in a step (default row: training-b256)")
    parser.add_argument("--modes", nargs="+", choices=MODES, default=MODES, metavar="MODE",
                        help=f"of PyTorch, to choose among (default: {', '.join(MODES)}; compiling takes minutes)")
    parser.add_argument("--python", metavar="PROGRAM", help="a Python whose PyTorch reaches the GPU (default: the first that is found)")
    parser.add_argument("--faces", type=Path, metavar="FOLDER", help="a sub-folder of JPEGs for each person (default: drawn faces)")
    parser.add_argument("--workers", type=positive, metavar="N", help="that decode them, in either program (default: one a core, at most 16)")
    parser.add_argument("--minutes", type=positive, default=60, metavar="N", help="for everything; rows that no longer fit are listed (default: 60)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="everything measured (default: build/gpu.json)")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="the tables")
    parser.add_argument("--width", type=float, default=1.0, metavar="W", help="width multiplier of the network, to try this out (default: 1)")
    parser.add_argument("--iterations", type=positive, metavar="N", help=f"of every run, {STEPS_PER_WAIT} steps each, to try this out")
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "release", help=argparse.SUPPRESS)
    arguments = parser.parse_args(words)
    arguments.json = arguments.json or ROOT / "build" / "gpu.json"
    if arguments.profile and not arguments.rows:
        arguments.rows = ["training-b256"]
    return arguments


def main():
    arguments = parse(sys.argv[1:])
    begun = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    rows = chosen_rows(arguments.rows, arguments.quick)
    gpu = machine.gpu()
    if gpu is None:
        sys.exit("gpu: this machine has no GPU that its driver knows of.")

    def save(record, text):
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(record, indent=2) + "\n")
        if arguments.markdown:
            arguments.markdown.write_text(text + "\n")

    try:
        programs = Programs(arguments)
        if arguments.profile:
            text, numbers = profile(programs, rows)
            save({"date": begun, "commit": commit(), "gpu": gpu, "profiles": numbers}, text)
            print(text)
            return 0
    except Failure as failure:
        sys.exit(f"gpu: {failure}.")
    comparison = Comparison(programs, arguments)
    print(f"At most {arguments.minutes} minutes.", file=sys.stderr)
    lines, text = [], ""
    try:
        for row in rows:
            comparison.measure(row)
            lines.append(comparison.lines[row.name])
            record = record_of(programs, comparison, arguments, gpu, begun)
            text = report_text(record, lines)
            save(record, text)
    except KeyboardInterrupt:
        print("Interrupted; what was measured so far:", file=sys.stderr)
    print(text)
    return 1 if any(map(is_missed, lines)) else 0


if __name__ == "__main__":
    sys.exit(main())
