#!/usr/bin/env python3
"""tests/io/kill_test.py with train_face itself as the victim: it checkpoints at every step and is killed again and again.

usage: kill_trainer_test.py --train-face PATH [--kills 50] [--in-window 20]
"""

import argparse
import os
import subprocess
import sys

import harness


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train-face", required=True)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--in-window", type=int, default=20)
    options = parser.parse_args()
    harness._binary = os.path.abspath(options.train_face)
    harness.faces()

    recipe = dict(harness.TINY, **{"--iterations": 60, "--width": 0.125, "--embedding": 64, "--checkpoint-every": 1,
                                   "--keep-checkpoints": 1000000, "--resume": "auto", "--out": "."})  # fmt: skip
    for flag in ["--root", "--train-list"]:
        recipe[flag] = harness.path(recipe[flag])
    words = " ".join(f"{flag} '{value}'" for flag, value in recipe.items())
    # Run from its own directory, so that config.toml has the same contents in every place.
    command = f"mkdir -p '{{out}}' && cd '{{out}}' && exec '{harness.binary()}' train {words}"
    kill_test = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "io", "kill_test.py")
    sys.exit(subprocess.call([sys.executable, kill_test, "--kills", str(options.kills), "--in-window", str(options.in_window),
                              "--", "sh", "-c", command]))  # fmt: skip


if __name__ == "__main__":
    main()
