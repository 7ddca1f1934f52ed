#!/usr/bin/env python3
"""Kills a program that saves checkpoints, again and again, and checks that nothing it promised is lost.

usage: kill_test.py --writer PATH                                    the library's own victim, tests/io/kill_writer.cpp
       kill_test.py [options] -- COMMAND ... --out {out} ...          any program, for example

       kill_test.py --kills 50 -- train_face train --root faces --out {out} --preset small --iterations 60 \\
           --checkpoint-every 1 --seed 1 --threads 1 --resume auto

The program must save a checkpoint at every step into {out}/step_%08d/, print a line with `saved step_%08d` once it is
safe, start afresh when there is nothing to resume, and exit with 0 at its end. It is run once without a kill; then
with kill -9 at random moments, each time started again with the same command. After every kill and restart:

  - the newest checkpoint directory is at least the newest that was acknowledged, and the first one saved after the
    restart is beyond it: no acknowledged checkpoint is lost;
  - every checkpoint directory that the uninterrupted run has too (see --reference-extra) holds the same bytes;
  - the run, when it gets to its end, has the same last checkpoint as the uninterrupted one, byte for byte.

Kills between the first write and the rename are counted afterwards, from what the dead process left: a temporary
directory {out}/.step_*.tmp-* with a byte in it. So that there are enough of them, most kills wait for that directory.

--control runs the same for a program that writes in place and prints `writing K` before and `saved ...` after; killed
in between, `--check` must report damage more often than not. It shows that the kills bite. Python 3.8, Linux or macOS.
"""

import argparse
import filecmp
import glob
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time

SAVED = re.compile(r"saved .*?step_(\d{8,})")


class Failure(Exception):
    pass


def start(command, out, log):
    """Starts the command with {out} filled in; its output goes to a file, which a kill cannot take back."""
    with open(log, "wb") as sink:
        return subprocess.Popen([part.replace("{out}", out) for part in command], stdin=subprocess.DEVNULL, stdout=sink, stderr=sink)


def text_of(log):
    with open(log, "rb") as file:
        return file.read().decode("utf-8", "replace")


def saved_steps(log):
    # A last line without a newline may have been cut off within the number.
    return [int(step) for line in text_of(log).split("\n")[:-1] for step in SAVED.findall(line)]


def checkpoints(out):
    found = {}
    for path in glob.glob(os.path.join(glob.escape(out), "step_*")):
        name = os.path.basename(path)
        if re.fullmatch(r"step_\d{8,}", name):
            found[int(name[5:])] = path
    return found


def temporaries(out):
    return set(glob.glob(os.path.join(glob.escape(out), ".step_*.tmp-*")))


def being_written(out, stale):
    """Whether a checkpoint is between its first byte and its rename; `stale` are those of processes that were killed before."""
    try:
        for path in temporaries(out) - stale:
            if any(file.stat().st_size > 0 for file in os.scandir(path)):
                return True
    except OSError:  # renamed or removed in the meantime
        pass
    return False


def require_same(directory, reference):
    names = sorted(os.listdir(reference))
    if sorted(os.listdir(directory)) != names:
        raise Failure(f"{directory} holds {sorted(os.listdir(directory))} but {reference} holds {names}")
    _, differing, unreadable = filecmp.cmpfiles(directory, reference, names, shallow=False)
    if differing or unreadable:
        raise Failure(f"{directory}: {differing + unreadable} differ from those of {reference}")


def run_to_end(command, out, log):
    process = start(command, out, log)
    began = time.monotonic()
    if process.wait() != 0:
        raise Failure(f"exit status {process.returncode} without a kill:\n{text_of(log)}")
    if not checkpoints(out) or not saved_steps(log):
        raise Failure(f"no checkpoint, or no line `saved step_...`, in\n{text_of(log)}")
    return time.monotonic() - began


def wait_for_moment(process, out, log, stale, aimed, seconds, rng, patience):
    """Waits for the moment of the kill. False when the process ended first."""
    deadline = time.monotonic() + patience
    if not aimed:
        try:
            process.wait(rng.uniform(0, seconds))
            return False
        except subprocess.TimeoutExpired:
            return True
    saves = rng.randrange(4)  # so that the run makes progress
    while process.poll() is None and time.monotonic() < deadline:
        if len(saved_steps(log)) >= saves and being_written(out, stale):
            time.sleep(rng.choice([0, 0, 0.001, 0.003]))
            return process.poll() is None
    return process.poll() is None


def attack(options, command, scratch, rng):
    """The main test: returns a sentence with the result."""
    log = os.path.join(scratch, "log")
    reference = os.path.join(scratch, "reference")
    seconds = run_to_end(command + options.reference_extra, reference, log)
    reference_checkpoints = checkpoints(reference)
    last = max(reference_checkpoints)

    kills = in_window = rounds = compared = 0
    out, acknowledged = os.path.join(scratch, "run-0"), None
    while kills < options.kills or in_window < options.in_window:
        if kills >= options.kills * 4 + 20:
            raise Failure(f"only {in_window} of {kills} kills fell between the first write and the rename; slow the writer")
        stale = temporaries(out)
        process = start(command, out, log)
        try:
            aimed = rng.random() < options.aimed
            killed = wait_for_moment(process, out, log, stale, aimed, min(seconds, options.random_seconds), rng, options.patience)
        finally:
            process.kill()
            process.wait()

        steps = saved_steps(log)
        if acknowledged is not None and steps and steps[0] <= acknowledged:
            raise Failure(f"{out}: step {acknowledged} was acknowledged but the restart saved {steps[0]}:\n{text_of(log)}")
        acknowledged = max(steps) if steps else acknowledged
        present = checkpoints(out)
        if acknowledged is not None and (not present or max(present) < acknowledged):
            raise Failure(f"{out}: step {acknowledged} was acknowledged but only {sorted(present)} are there")
        for step in sorted(set(present) & set(reference_checkpoints)):
            require_same(present[step], reference_checkpoints[step])
            compared += 1

        if killed and process.returncode == -9:
            kills += 1
            in_window += being_written(out, stale)
            continue
        if process.returncode != 0:
            raise Failure(f"exit status {process.returncode} after {kills} kills:\n{text_of(log)}")
        require_same(present[last], reference_checkpoints[last])
        rounds += 1
        shutil.rmtree(out)
        out, acknowledged = os.path.join(scratch, f"run-{rounds}"), None

    if max(checkpoints(out), default=-1) < last:
        run_to_end(command, out, log)
    require_same(checkpoints(out)[last], reference_checkpoints[last])
    return (
        f"{kills} kills, {in_window} between the first write and the rename: no acknowledged checkpoint lost, "
        f"{compared} checkpoints and {rounds + 1} finished runs equal to the uninterrupted one"
    )


def attack_control(options, command, scratch, rng):
    """The control test: kills only between `writing` and `saved`, each in a fresh directory."""
    log = os.path.join(scratch, "log")
    corrupt = counted = 0
    for trial in range(options.control_kills * 3):
        if counted == options.control_kills:
            break
        out = os.path.join(scratch, f"control-{trial}")
        process = start(command, out, log)
        try:
            while process.poll() is None and not (saved_steps(log) and text_of(log).rstrip().split("\n")[-1].startswith("writing")):
                time.sleep(0.0002)
            time.sleep(rng.uniform(0, options.control_window))
        finally:
            process.kill()
            process.wait()
        if process.returncode == -9 and text_of(log).rstrip().split("\n")[-1].startswith("writing"):
            counted += 1
            corrupt += run_check(command, out)
        shutil.rmtree(out)
    if counted < options.control_kills or corrupt * 2 <= counted:
        raise Failure(f"the control arm should end corrupt more often than not, but {corrupt} of {counted} did: the kills do not bite")
    return f"control arm, in place: {corrupt} of {counted} corrupt"


def run_check(command, out):
    done = subprocess.run([part.replace("{out}", out) for part in command] + ["--check"], capture_output=True)
    if done.returncode not in (0, 3, 4):
        raise Failure(f"--check ended with {done.returncode}: {done.stderr.decode()}")
    return done.returncode != 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--writer", help="path of kill_writer: fills in the command, the reference and the control arm")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--in-window", type=int, default=20, help="kills wanted between the first write and the rename")
    parser.add_argument("--aimed", type=float, default=0.6, help="the share of kills that wait for a checkpoint being written")
    parser.add_argument("--random-seconds", type=float, default=0.5, help="the other kills come at most that late after the start")
    parser.add_argument("--patience", type=float, default=10, help="seconds an aimed kill waits before it strikes anyway")
    parser.add_argument("--reference-extra", action="append", default=[], help="added to the uninterrupted run (to keep all checkpoints)")
    parser.add_argument("--control", nargs="+", help="the in-place program, with {out}")
    parser.add_argument("--control-kills", type=int, default=20)
    parser.add_argument("--control-window", type=float, default=0.008, help="seconds the in-place writer takes, about")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scratch", help="the parent of the temporary directory (the file system to test)")
    split = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    options = parser.parse_args(sys.argv[1:split])
    command = sys.argv[split + 1 :]
    if options.writer:
        command = [options.writer, "--out", "{out}", "--resume", "auto", "--slow-ms", "1"]
        options.reference_extra = ["--keep", "1000000"]
        options.control = [options.writer, "--out", "{out}", "--in-place", "--slow-ms", "1"]
    if not any("{out}" in part for part in command):
        parser.error("expected --writer PATH, or -- and a command with {out}")

    rng = random.Random(options.seed)
    began = time.monotonic()
    scratch = tempfile.mkdtemp(prefix="amnet-kill-", dir=options.scratch)
    try:
        print(attack(options, command, scratch, rng), flush=True)
        if options.control:
            print(attack_control(options, options.control, scratch, rng), flush=True)
    except Failure as failure:
        sys.exit(f"FAILED: {failure}")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    print(f"passed in {time.monotonic() - began:.1f} s")


if __name__ == "__main__":
    main()
