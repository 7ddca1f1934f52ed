#!/usr/bin/env python3
"""The effect of each signal on each command; a signal that the parent ignores stays ignored."""

import os
import pty
import shutil
import signal
import subprocess
import time

import harness
from harness import CliTest, checkpoints, faces, finish, image_of, pairs, path, read, start, train_arguments, wait_for_log, write

LONG = 1_000_000  # steps


def ignoring(*signals):
    def before_exec():
        for one in signals:
            signal.signal(one, signal.SIG_IGN)
    return before_exec


def handled(process, one):
    """Waits until the process has a handler for a signal, or ignores it."""
    deadline = time.monotonic() + harness.PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        with open(f"/proc/{process.pid}/status") as file:
            masks = {line.split(":")[0]: int(line.split()[1], 16) for line in file if line.startswith(("SigCgt", "SigIgn"))}
        if (masks["SigCgt"] | masks["SigIgn"]) >> (one - 1) & 1:
            return
        time.sleep(0.001)


class Signals(CliTest):
    @classmethod
    def setUpClass(cls):
        faces()
        pairs()
        cls().train("model")
        write("many.txt", "".join(f"{image_of(i % 12, i % 6)} {i % 12}\n" for i in range(200_000)))

    def stop_train(self, out, one, **popen):
        process = start(*train_arguments(out, "--iterations", LONG), **popen)
        wait_for_log(out, " Step 3/", process)
        process.send_signal(one)
        return process

    def test_train_saves_and_ends(self):
        for one, code in [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]:
            with self.subTest(signal=one):
                out = f"train-{one}"
                self.assertEqual(finish(self.stop_train(out, one)).code, code)
                self.assertEqual(len(checkpoints(out)), 1)
                self.assertIn("--resume auto", read(f"{out}/train.log"))

    def test_a_closed_terminal_saves(self):
        """Closing a window ends the program with SIGHUP, sometimes sent twice, and with a terminal that can no longer be written to."""
        screen, side = pty.openpty()
        process = self.stop_train("window", signal.SIGHUP, stdout=side, stderr=side)
        process.send_signal(signal.SIGHUP)
        os.close(side)
        os.close(screen)
        self.assertEqual(process.wait(timeout=harness.PATIENCE), 129)
        self.assertEqual(len(checkpoints("window")), 1)

    def test_a_snapshot(self):
        process = self.stop_train("snapshot", signal.SIGUSR1)
        wait_for_log("snapshot", "saved step_", process)
        process.send_signal(signal.SIGINT)
        self.assertEqual(finish(process).code, 130)

    def test_what_the_parent_ignores_stays_ignored(self):
        for one in [signal.SIGINT, signal.SIGHUP, signal.SIGTERM]:
            with self.subTest(signal=one):
                out = f"ignored-{one}"
                process = self.stop_train(out, one, preexec_fn=ignoring(one))
                wait_for_log(out, " Step 100/", process)
                self.assertEqual(checkpoints(out), [], "it goes on")
                process.send_signal(signal.SIGTERM if one != signal.SIGTERM else signal.SIGINT)
                self.assertEqual(finish(process).code, 143 if one != signal.SIGTERM else 130)

    def test_a_second_signal_ends_at_once(self):
        process = start(*train_arguments("twice", "--iterations", LONG, "--val-pairs", "pairs.txt", "--val-root", "faces"))
        handled(process, signal.SIGINT)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)
        self.assertIn(finish(process).code, [130, 143])
        self.assertFalse(os.path.exists(path("twice", "last")), "ended before it could save")

    def stops(self, arguments, *outputs, after=0.3):
        """A long command ends with 130 on Ctrl-C, and leaves none of its outputs."""
        with self.subTest(arguments=arguments):
            process = start(*arguments)
            handled(process, signal.SIGINT)
            time.sleep(after)
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=harness.PATIENCE)
            self.assertEqual(process.returncode, 130)
            for output in outputs:
                self.assertFalse(os.path.exists(path(output)), output)
        self.assertEqual([name for name in os.listdir(path()) if ".tmp-" in name], [])

    def test_other_commands_stop_without_half_an_output(self):
        wide = ["--depth", 64, "--width", 1, "--batch", 16]
        self.train("slow", "--depth", 64, "--width", 0.5, "--iterations", 1)
        self.stops(["synth", "--out", "stopped-synth", "--identities", 1000, "--images", 1000], "stopped-synth")
        self.stops(["check-data", "--root", "faces", "--train-list", "many.txt"])
        self.stops(["pack", "--root", "faces", "--train-list", "many.txt", "--out", "stopped.pack"], "stopped.pack")
        self.stops(["bench", *wide, "--iterations", 1000, "--json", "stopped.json"], "stopped.json")
        self.stops(["extract", "--model", "slow", "--root", "faces", "--list", "many.txt", "--out", "stopped.npy"], "stopped.npy", "stopped.txt")
        evaluate = ["--pairs", "pairs.txt", "--root", "faces", "--threads", 1]
        self.stops(["eval", "--model", "slow", *evaluate, "--json", "stopped.json"], "stopped.json", "stopped.html", after=0)
        self.stops(["compare", "--a", "slow", "--b", "slow", *evaluate, "--json", "stopped.json"], "stopped.json", after=0)

    def test_synth_keeps_a_folder_that_was_there(self):
        write("kept/mine.txt", "mine")
        self.stops(["synth", "--out", "kept", "--identities", 1000, "--images", 1000], "kept/list.txt")
        self.assertEqual(read("kept/mine.txt"), "mine")


if __name__ == "__main__":
    harness.main()
