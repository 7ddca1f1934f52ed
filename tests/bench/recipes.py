#!/usr/bin/env python3
"""Trains the recipes of a file, one after another, and writes what each reaches into one table: a search for learning rate, augmentation, margin …
for lists of your own.

    ./run experiment split train_list.txt --people 220 --out runs/split
    ./run experiment recipes --root FACES --train-list runs/split/train_list.txt --val-root FACES/train --val-pairs runs/split/pairs.txt \\
        --recipes recipes.txt --out runs/recipes

Each line of --recipes is a name and flags of train_face train, which are set on top of the preset small, --width and --epochs: `cosine --schedule
cosine --lr 0.05`. Search on pairs of people who were taken out of the training list, as above, and keep the pairs that you report for the end: the
best of many recipes on a set of pairs is partly luck on these pairs. Two runs at a time, with a thread each; --out keeps what is done, so that lines
may be added and the command given again, also after it was stopped.
"""
import argparse
import json
import math
import shlex
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from losses import above_zero, growth, read_rows, table_text, write
from running import ROOT, Failure, commit, execute, positive

RUN_SECONDS = 6 * 3600

COLUMNS = ("name", "accuracy", "accuracy_std", "tar_at_far_1", "tar_at_far_01", "train_loss", "target_cosine", "feature_norm", "feature_norm_growth",
           "commit", "flags")


def recipes_of(path):
    """name -> flags, of a file whose lines are a name and flags; empty lines and those that begin with # say nothing."""
    recipes = {}
    for number, line in enumerate(Path(path).read_text().splitlines(), 1):
        words = shlex.split(line, comments=True)
        if not words:
            continue
        if words[0] in recipes or words[0].startswith("-"):
            raise Failure(f"{path}, line {number}: '{words[0]}' is " + ("there twice" if words[0] in recipes else "no name of a recipe"))
        recipes[words[0]] = words[1:]
    return recipes


class Search:
    def __init__(self, arguments):
        self.arguments, self.out = arguments, Path(arguments.out)
        self.program = Path(arguments.build) / "examples" / "train_face" / "train_face"
        self.recipes = recipes_of(arguments.recipes)

    def run(self, name):
        """Trains a recipe, or goes on, and measures it. Its row is in result.json of its folder when this ends."""
        arguments, folder = self.arguments, self.out / name
        done = folder / "result.json"
        flags = self.recipes[name]
        if done.exists():
            row = json.loads(done.read_text())
            if row["flags"] != shlex.join(flags):
                raise Failure(f"{name}: {done} is of the flags '{row['flags']}', and {arguments.recipes} has others; give them another name")
            return row
        lists = [part for path in arguments.train_list for part in ("--train-list", path)]
        roots = [part for path in arguments.root for part in ("--root", path)]
        execute([self.program, "train", "--preset", "small", *roots, *lists, "--relabel", "--width", arguments.width, "--epochs", arguments.epochs,
                 "--threads", 1, "--workers", 1, "--log-every", 10, "--keep-checkpoints", 1, "--out", folder, "--resume", "auto", *flags],
                seconds=RUN_SECONDS)
        execute([self.program, "eval", "--model", folder, "--pairs", arguments.val_pairs, "--root", arguments.val_root, "--threads", 1, "--workers", 1,
                 "--json", folder / "eval.json"])
        metrics, measured = read_rows(folder / "metrics.csv"), json.loads((folder / "eval.json").read_text())
        last = metrics[-1]
        row = {"name": name, "accuracy": measured["accuracy_mean"], "accuracy_std": measured["accuracy_std"],
               "tar_at_far_1": measured["tar_at_far"]["0.01"], "tar_at_far_01": measured["tar_at_far"]["0.001"], "train_loss": last["loss"],
               "target_cosine": last["target_cosine"], "feature_norm": last["feature_norm"],
               "feature_norm_growth": growth(metrics, arguments.warm_up) or math.nan, "commit": commit(), "flags": shlex.join(flags)}
        write(done, json.dumps(row) + "\n")
        return row

    def search(self):
        """The sentences of recipes that failed."""
        self.out.mkdir(parents=True, exist_ok=True)
        rows, failures = {}, []
        with ThreadPoolExecutor(self.arguments.jobs) as pool:
            waiting = {pool.submit(self.run, name): name for name in self.recipes}
            for future in as_completed(waiting):
                name = waiting[future]
                try:
                    row = rows[name] = future.result()
                except Failure as failure:
                    failures.append(f"{name}: {failure}")
                    continue
                print(f"{len(rows)} of {len(self.recipes)}: {name}: accuracy {row['accuracy']:.2f} %, TAR at FAR 1 % {row['tar_at_far_1']:.1f} %, "
                      f"feature norm grew {row['feature_norm_growth']:.1f} times", file=sys.stderr, flush=True)
                ordered = [{column: text_of(rows[done][column]) for column in COLUMNS} for done in self.recipes if done in rows]
                write(self.out / "recipes.csv", table_text(COLUMNS, ordered))
        return failures


def text_of(value):
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def main():
    parser = argparse.ArgumentParser(description=__doc__, prog="./run experiment recipes", formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", required=True, action="append", help="folder that a training list's paths start from: one for all, or one for each")
    parser.add_argument("--train-list", required=True, action="append", help="lines `path label`; given again: a further list, of other people")
    parser.add_argument("--val-root", required=True, help="folder of the images of the pairs")
    parser.add_argument("--val-pairs", required=True, help="pairs in the format of LFW's pairs.txt")
    parser.add_argument("--recipes", required=True, help="a name and flags of train_face train in each line")
    parser.add_argument("--out", required=True, help="folder for the runs and for recipes.csv")
    parser.add_argument("--epochs", type=above_zero, default=12, help="passes over the list (default: 12)")
    parser.add_argument("--width", type=above_zero, default=0.25, help="of the network (default: 0.25)")
    parser.add_argument("--warm-up", type=int, default=100, help="step from which the growth of the feature norm counts (default: 100)")
    parser.add_argument("--jobs", type=positive, default=2, help="runs at a time (default: 2)")
    parser.add_argument("--build", default=ROOT / "build" / "release", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    try:
        failures = Search(arguments).search()
    except (Failure, OSError) as problem:
        failures = [str(problem)]
    for sentence in failures:
        print(f"recipes: {sentence}", file=sys.stderr)
    return 5 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
