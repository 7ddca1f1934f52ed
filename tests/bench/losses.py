#!/usr/bin/env python3
"""The comparison of losses of Wang et al. (arXiv 1801.05599, table 1) on lists of your own: one network, one budget and several seeds, and only the
loss is exchanged.

    ./run experiment losses --root FACES --train-list train.txt --val-root FACES/test --val-pairs pairs.txt --out runs/losses
    ./run experiment losses … --time-limit 60 --results results      the first hour; the same again goes on
    ./run experiment losses … -- --schedule cosine --threads 1       with further flags of train_face train, for every run

Every run has the preset small with --depth, --width, --epochs, --batch, --lr and --warm-up, and its own folder under --out. What was stopped, by
--time-limit, Ctrl-C or a lost machine, goes on from its checkpoint when the command is given again, and what is done is skipped. --results has three
small text files for each finished run; pieces of several sessions are merged by copying these files into one folder. The table of all runs there
is written to table.md and report.html beside them.

A-Softmax's lambda and the margin of AM-Softmax without feature normalisation change at the pace that they have in the 28,000 steps of the
reference code, so that they end at the same share of a run.
"""
import argparse
import csv
import hashlib
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Callable, NamedTuple

from running import ROOT, Failure, commit, execute, positive

REFERENCE_STEPS = 28_000
CURVE_POINTS = 60
RUN_COLUMNS = ("row", "loss", "title", "margin", "seed", "commit", "accuracy", "accuracy_std", "tar_at_far_1", "tar_at_far_01", "train_loss",
               "feature_norm", "feature_norm_growth")
CURVE_COLUMNS = ("step", "loss", "accuracy", "target_cosine", "feature_norm")
WITHOUT_EFFECT = ("--threads", "--workers")  # on the numbers of a run


class Loss(NamedTuple):
    title: str
    margin: str
    flags: Callable  # of the scale and the steps of a run


LOSSES = {
    "softmax": Loss("Softmax", "–", lambda scale, steps: ["--loss", "softmax"]),
    "normface": Loss("NormFace", "–", lambda scale, steps: ["--loss", "normface", "--scale", scale]),
    "sphereface": Loss("A-Softmax (SphereFace)", "4", lambda scale, steps: ["--loss", "sphereface", "--multiplier", 4, "--anneal-gamma",
                                                                            0.12 * REFERENCE_STEPS / steps]),
    "arcface": Loss("ArcFace", "0.5", lambda scale, steps: ["--loss", "arcface", "--scale", scale, "--margin", 0.5]),
    "amsoftmax-0.35": Loss("AM-Softmax", "0.35", lambda scale, steps: ["--loss", "amsoftmax", "--scale", scale, "--margin", 0.35]),
    "amsoftmax-0.5": Loss("AM-Softmax", "0.5", lambda scale, steps: ["--loss", "amsoftmax", "--scale", scale, "--margin", 0.5]),
    "amsoftmax-wo-fn": Loss("AM-Softmax without feature normalisation", "0.35",
                            lambda scale, steps: ["--loss", "amsoftmax", "--feature-norm", "off", "--margin", 0.35, "--anneal-gamma",
                                                  5e-5 * REFERENCE_STEPS / steps]),
    "curricularface": Loss("CurricularFace", "0.5", lambda scale, steps: ["--loss", "curricularface", "--scale", scale, "--margin", 0.5]),
    "adaface": Loss("AdaFace", "0.4", lambda scale, steps: ["--loss", "adaface", "--scale", scale, "--margin", 0.4]),
}


class Stopped(Exception):
    """The time limit has passed, or a signal has come; the run in progress is saved."""


# ---- what a run is, and what it leaves ------------------------------------------------------------------------------------------
def count_images(train_list):
    with open(train_list, encoding="utf-8", errors="surrogateescape") as file:
        return sum(1 for line in file if line.strip())


def fingerprint(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16]


def affecting(flags):
    """The flags without those that do not change the numbers of a run, with their values."""
    kept, skip = [], False
    for flag in flags:
        if not skip and flag.split("=")[0] not in WITHOUT_EFFECT:
            kept.append(flag)
        skip = flag in WITHOUT_EFFECT
    return kept


def settings_of(arguments):
    """What all runs of a comparison have in common, in the order of the columns of a result."""
    images = count_images(arguments.train_list)
    if images == 0:
        raise Failure(f"--train-list: {arguments.train_list} has no lines")
    return {"depth": arguments.depth, "width": arguments.width, "batch": arguments.batch,
            "steps": math.ceil(arguments.epochs * images / arguments.batch), "epochs": arguments.epochs, "lr": arguments.lr,
            "warm_up": arguments.warm_up, "scale": arguments.scale, "images": images, "train_list": fingerprint(arguments.train_list),
            "val_pairs": fingerprint(arguments.val_pairs), "flags": " ".join(affecting(arguments.flags))}


def claim(folder, settings, option):
    """Makes the folder that of a comparison with these settings. Failure where it is that of another."""
    path = Path(folder) / "settings.json"
    if path.exists():
        there = json.loads(path.read_text())
        for name, value in settings.items():
            if there.get(name) != value:
                raise Failure(f"{option}: {path} has {name} '{there.get(name)}', and this comparison '{value}'; give it a folder of its own")
    else:
        Path(folder).mkdir(parents=True, exist_ok=True)
        write(path, json.dumps(settings, indent=1) + "\n")


def write(path, text):
    """The file is there whole, or not at all."""
    partial = Path(f"{path}.partial")
    partial.write_text(text)
    os.replace(partial, path)


def thinned(rows, points=CURVE_POINTS):
    """At most so many of the rows, evenly, the first and the last among them."""
    if len(rows) <= points:
        return list(rows)
    return [rows[round(i * (len(rows) - 1) / (points - 1))] for i in range(points)]


def growth(rows, warm_up):
    """How many times the feature norm at the end of the warm-up its largest later value is. None without such rows."""
    norms = [float(row["feature_norm"]) for row in rows if int(row["step"]) >= warm_up and row["feature_norm"]]
    return max(norms) / norms[0] if norms and norms[0] > 0 else None


def table_text(columns, rows):
    return "".join(",".join(line) + "\n" for line in [columns, *([row[column] for column in columns] for row in rows)])


def result_of(name, seed, settings, metrics, measured, revision):
    rates = measured["tar_at_far"]
    return {"row": list(LOSSES).index(name) + 1, "loss": name, "title": LOSSES[name].title, "margin": LOSSES[name].margin, "seed": seed,
            "commit": revision, "accuracy": measured["accuracy_mean"], "accuracy_std": measured["accuracy_std"], "tar_at_far_1": rates["0.01"],
            "tar_at_far_01": rates["0.001"], "train_loss": metrics[-1]["loss"], "feature_norm": metrics[-1]["feature_norm"],
            "feature_norm_growth": growth(metrics, settings["warm_up"]), **settings}


def run_line(result):
    """The header and the line of a result. The flags come last, because they may contain commas."""
    columns = [*RUN_COLUMNS, *(name for name in result if name not in RUN_COLUMNS)]
    values = ["" if result[column] is None else str(result[column]) for column in columns]
    return ",".join(columns) + "\n" + ",".join(values) + "\n"


def judged(scores):
    """A character for each pair of a table of scores: 1 correct, 0 not, - not judged."""
    return "".join({"1": "1", "0": "0"}.get(row["correct"], "-") for row in scores)


def read_rows(path):
    if not Path(path).exists():
        return []
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


# ---- running --------------------------------------------------------------------------------------------------------------------
class Clock:
    """The time that is left, from the steps that were made since the start."""

    def __init__(self, steps_left, limit_minutes):
        self.begun, self.steps_left, self.made = time.monotonic(), steps_left, 0
        self.end = self.begun + 60 * limit_minutes if limit_minutes else None

    def passed(self):
        return self.end is not None and time.monotonic() >= self.end

    def make(self, steps):
        self.made += steps
        self.steps_left -= steps

    def left(self):
        if self.made <= 0:
            return "time left unknown"
        minutes = self.steps_left * (time.monotonic() - self.begun) / self.made / 60
        return f"{minutes:.0f} min left" if minutes < 120 else f"{minutes / 60:.1f} h left"


def steps_done(folder):
    rows = read_rows(folder / "metrics.csv")
    return int(rows[-1]["step"]) if rows else 0


class Comparison:
    def __init__(self, arguments):
        self.arguments, self.settings = arguments, settings_of(arguments)
        self.out, self.results = Path(arguments.out), Path(arguments.results or Path(arguments.out) / "results")
        self.runs = [(name, seed) for seed in arguments.seeds for name in arguments.losses]
        self.programs = Path(arguments.build) / "examples"
        self.revision = commit()
        claim(self.out, self.settings, "--out")
        claim(self.results, self.settings, "--results")

    def is_done(self, name, seed):
        return (self.results / f"{name}.{seed}.run.csv").exists()

    def folder(self, name, seed):
        return self.out / f"{name}-{seed}"

    def command(self, name, seed):
        arguments, steps = self.arguments, self.settings["steps"]
        return [str(part) for part in
                [self.programs / "train_face" / "train_face", "train", "--preset", "small", "--root", arguments.root, "--train-list",
                 arguments.train_list, "--depth", arguments.depth, "--width", arguments.width, "--batch", arguments.batch, "--iterations", steps,
                 "--lr", arguments.lr, "--warm-up", arguments.warm_up, "--seed", seed, "--out", self.folder(name, seed), "--resume", "auto",
                 "--log-every", max(1, min(10, steps // 10)), "--checkpoint-every", max(1, steps // 10), "--keep-checkpoints", 1,
                 *LOSSES[name].flags(arguments.scale, steps), *arguments.flags]]

    def train(self, name, seed, clock, show):
        """Trains, or goes on. Stopped after saving; Failure where the program fails."""
        folder = self.folder(name, seed)
        folder.mkdir(parents=True, exist_ok=True)
        seen = steps_done(folder)
        with open(self.out / f"{name}-{seed}.output", "w+") as output:
            # A session of its own: what is to be stopped, and when, is decided here.
            process = subprocess.Popen(self.command(name, seed), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                                       start_new_session=True)
            stopping = False
            try:
                while process.poll() is None:
                    try:
                        process.wait(1)
                    except subprocess.TimeoutExpired:
                        pass
                    done = steps_done(folder)
                    if done > seen:
                        clock.make(done - seen)
                        seen = done
                    show(f"step {done} of {self.settings['steps']}, {clock.left()}")
                    if clock.passed() and not stopping:
                        stopping = True
                        process.send_signal(signal.SIGINT)
            except BaseException:
                process.send_signal(signal.SIGINT)  # it saves
                process.wait()
                raise
            if process.returncode == 0:
                return
            if stopping:
                raise Stopped
            output.seek(0)
            last = (output.read().strip() or "no output").splitlines()[-1]
            raise Failure(f"{name}, seed {seed}: train_face ended with exit code {process.returncode}: {last}")

    def measure(self, name, seed):
        """Writes the three files of a finished run; the one that makes it count as done comes last."""
        folder, place = self.folder(name, seed), str(self.results / f"{name}.{seed}")
        execute([self.programs / "train_face" / "train_face", "eval", "--model", folder, "--pairs", self.arguments.val_pairs, "--root",
                 self.arguments.val_root, "--json", folder / "eval.json", "--scores", folder / "scores.csv"])
        metrics = read_rows(folder / "metrics.csv")
        write(place + ".curve.csv", table_text(CURVE_COLUMNS, thinned(metrics)))
        write(place + ".pairs.txt", judged(read_rows(folder / "scores.csv")) + "\n")
        measured = json.loads((folder / "eval.json").read_text())
        write(place + ".run.csv", run_line(result_of(name, seed, self.settings, metrics, measured, self.revision)))

    def table(self):
        return execute([self.programs / "losses_table" / "losses_table", self.results, self.arguments.val_pairs])

    def run(self):
        """The sentences of runs that failed. Stopped where the time is over."""
        todo = [run for run in self.runs if not self.is_done(*run)]
        steps = self.settings["steps"]
        clock = Clock(sum(steps - steps_done(self.folder(*run)) for run in todo), self.arguments.time_limit)
        told = f"{len(self.runs)} runs of {steps} steps, {len(self.runs) - len(todo)} done"
        print(told, file=sys.stderr, flush=True)
        failures = []
        for name, seed in todo:
            if clock.passed():
                raise Stopped
            where = f"run {self.runs.index((name, seed)) + 1} of {len(self.runs)}, {name}, seed {seed}"
            try:
                self.train(name, seed, clock, lambda words: show_line(f"{where}: {words}"))
                self.measure(name, seed)
            except Failure as failure:
                failures.append(str(failure))
                clock.steps_left -= steps - steps_done(self.folder(name, seed))
                tell_line(f"{where}: FAILED")
                continue
            self.table()
            accuracy = read_rows(self.results / f"{name}.{seed}.run.csv")[0]["accuracy"]
            tell_line(f"{where}: accuracy {float(accuracy):.2f} %, {clock.left()}")
        return failures


def show_line(text):
    """Keeps one line of a terminal up to date."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text} ", end="", file=sys.stderr, flush=True)


def tell_line(text):
    print(("\r\033[K" if sys.stderr.isatty() else "") + text, file=sys.stderr, flush=True)


# ---- the command line -----------------------------------------------------------------------------------------------------------
def above_zero(text):
    value = float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError("expected a number above 0")
    return value


def parse(command_line):
    own, flags = command_line, []
    if "--" in command_line:
        own, flags = command_line[:command_line.index("--")], command_line[command_line.index("--") + 1:]
    parser = argparse.ArgumentParser(description=__doc__, prog="./run experiment losses", usage="%(prog)s [options] [-- FLAGS of train_face train]",
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", required=True, help="folder that the training list's paths start from")
    parser.add_argument("--train-list", required=True, help="lines `path label`")
    parser.add_argument("--val-root", required=True, help="folder of the images of the pairs")
    parser.add_argument("--val-pairs", required=True, help="pairs in the format of LFW's pairs.txt")
    parser.add_argument("--out", required=True, help="folder for the runs, with their checkpoints")
    parser.add_argument("--results", help="folder for the small files and the table (default: results in --out)")
    parser.add_argument("--losses", nargs="+", choices=LOSSES, default=list(LOSSES), metavar="LOSS", help="of: " + ", ".join(LOSSES) + " (default: all)")
    parser.add_argument("--seeds", nargs="+", type=positive, default=[1, 2, 3], metavar="SEED", help="default: 1 2 3")
    parser.add_argument("--epochs", type=above_zero, default=12, help="passes over the list (default: 12)")
    parser.add_argument("--depth", type=positive, default=20, help="layers of the network (default: 20)")
    parser.add_argument("--width", type=above_zero, default=0.25, help="of the network (default: 0.25)")
    parser.add_argument("--batch", type=positive, default=128, help="images of a step (default: 128)")
    parser.add_argument("--lr", type=above_zero, default=0.02, help="learning rate (default: 0.02)")
    parser.add_argument("--warm-up", type=int, default=100, help="steps over which it climbs (default: 100)")
    parser.add_argument("--scale", type=above_zero, default=30,
                        help="s of the losses that have one, NormFace's at its start (default: 30)")
    parser.add_argument("--time-limit", type=above_zero, metavar="MINUTES", help="after which the run in progress is saved and stopped")
    parser.add_argument("--build", default=ROOT / "build" / "release", help=argparse.SUPPRESS)
    arguments = parser.parse_args(own)
    arguments.flags = flags
    # What is requested twice is done once, in the order of the table.
    arguments.losses = [name for name in LOSSES if name in arguments.losses]
    arguments.seeds = list(dict.fromkeys(arguments.seeds))
    for option, path in (("--train-list", arguments.train_list), ("--val-pairs", arguments.val_pairs)):
        if not Path(path).is_file():
            parser.error(f"{option}: there is no file {path}")
    return arguments


def main():
    arguments = parse(sys.argv[1:])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        comparison = Comparison(arguments)
        failures = comparison.run()
        if any(comparison.results.glob("*.run.csv")):
            print(comparison.table(), end="")
    except Stopped:
        tell_line("Stopped by --time-limit; give the same command again to go on.")
        return 0
    except KeyboardInterrupt:
        tell_line("Stopped; give the same command again to go on.")
        return 130
    except Failure as failure:
        tell_line(f"{failure}.")
        return 1
    for failure in failures:
        print(f"{failure}.", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
