"""What the comparisons share for running other programs, and for the command line."""
import argparse
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RUN_SECONDS = 900  # after this time a run counts as hung


class Failure(Exception):
    """A sentence for the user: why something could not be measured."""


def execute(command, environment=None, seconds=RUN_SECONDS):
    """The program's output; Failure with its last line where it does not end with exit code 0."""
    try:
        result = subprocess.run([str(part) for part in command], env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                errors="replace", timeout=seconds)
    except subprocess.TimeoutExpired:
        raise Failure(f"{Path(command[0]).name} did not end within {seconds} s")
    if result.returncode != 0:
        last = (result.stderr.strip() or result.stdout.strip() or "no output").splitlines()[-1]
        raise Failure(f"{Path(command[0]).name} ended with exit code {result.returncode}: {last}")
    return result.stdout


def commit():
    try:
        git = subprocess.run(["git", "-C", str(ROOT), "describe", "--always", "--dirty"], capture_output=True, text=True)
    except OSError:
        return "unknown"
    return git.stdout.strip() or "unknown"


def positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("expected a number of at least 1")
    return value
