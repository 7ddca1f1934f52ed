#!/usr/bin/env python3
"""What a run needs of its folder: file systems that lack a feature, folders that cannot be written to, and two writers in one folder."""

import errno
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest

import harness
from harness import (CliTest, checkpoints, faces, finish, image_of, metrics, pairs, path, read, sha, start, train_arguments, wait_for_log,
                     write)  # fmt: skip

VERIFIED = ["--val-pairs", "pairs.txt", "--val-root", "faces", "--val-every", 2, "--checkpoint-every", 2, "--iterations", 12]
COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


def preload():
    """tests/cli/failing_calls.c as a shared object, built once."""
    target = path("failing_calls.so")
    if not os.path.exists(target):
        source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "failing_calls.c")
        subprocess.run([COMPILER, "-shared", "-fPIC", "-o", target, source, "-ldl"], check=True)
    return target


def start_failing(calls, *arguments):
    os.environ.update(LD_PRELOAD=preload(), AMNET_FAIL=calls)
    try:
        return start(*arguments)
    finally:
        del os.environ["LD_PRELOAD"], os.environ["AMNET_FAIL"]


def read_pointer(out, name):
    """The checkpoint that `last` or `best` names, whether it is a link or a file."""
    return os.readlink(path(out, name)) if os.path.islink(path(out, name)) else read(f"{out}/{name}").strip()


def hidden(folder):
    return [name for name in os.listdir(path(folder)) if name.startswith(".")]


@unittest.skipIf(harness.SANITIZED or COMPILER is None, "a preloaded library needs a compiler, and no sanitizer's before it")
class Lacking(CliTest):
    @classmethod
    def setUpClass(cls):
        faces()
        pairs()
        if not os.path.exists(path("whole")):
            cls().train("whole", *VERIFIED, "--keep-checkpoints", 1)

    def with_failing(self, calls, *arguments):
        result = finish(start_failing(calls, *arguments))
        self.assertEqual(result.code, 0, f"{calls}\n{result!r}")
        return result

    def assert_as_whole(self, out):
        self.assert_same_checkpoints(out, "whole")
        self.assertEqual(hidden(out), [])

    def assert_same_checkpoints(self, one, other):
        self.assertEqual(checkpoints(one), checkpoints(other))
        for name in checkpoints(one):
            for file in ["model.safetensors", "solver.safetensors", "state.json"]:
                self.assertEqual(sha(f"{one}/{name}/{file}"), sha(f"{other}/{name}/{file}"))

    def train_failing(self, calls, out, *flags):
        shutil.rmtree(path(out), ignore_errors=True)
        return self.with_failing(calls, *train_arguments(out, *VERIFIED, "--keep-checkpoints", 1, *flags))

    def test_without_symbolic_links(self):
        for reason in [errno.EOPNOTSUPP, errno.EPERM, errno.ENOSYS]:
            with self.subTest(reason=errno.errorcode[reason]):
                result = self.train_failing(f"symlink={reason}", "plain")
                self.assertEqual(result.err.count("no symbolic links"), 1, "said once")
                self.assert_as_whole("plain")
                for name in ["last", "best"]:
                    self.assertFalse(os.path.islink(path("plain", name)))
                    self.assertEqual(read(f"plain/{name}"), os.readlink(path("whole", name)) + "\n")

    def test_every_reader_understands_a_pointer_file(self):
        self.train_failing("symlink=95", "read")
        best = read("read/best").strip()
        evaluate = ["eval", "--pairs", "pairs.txt", "--root", "faces", "--threads", 1]
        for model in ["read/best", "read/best/model.safetensors", "./read/../read/best"]:
            self.ok(*evaluate, "--model", model, "--json", "by_pointer.json")
            self.ok(*evaluate, "--model", f"read/{best}", "--json", "by_name.json")
            self.assertEqual(read("by_pointer.json"), read("by_name.json"))
        self.ok("extract", "--model", "read/best", "--root", "faces", "--out", "best.npy")
        self.ok("compare", "--a", "read/best", "--b", "read/last", "--pairs", "pairs.txt", "--root", "faces")
        self.train("from_best", "--init-from", "read/best")
        self.train("branch", *[14 if flag == 12 else flag for flag in VERIFIED], "--resume", "read/last")
        self.assertIn("Resumed from read/step_00000012 at step 12", read("branch/train.log"))
        write("read/best", "step_00000099\n")
        self.refused(4, [*evaluate, "--model", "read/best"], "read/step_00000099")

    def test_resumed_without_links_and_with_them_again(self):
        out = "resumed"
        self.train_failing("symlink=95", out)
        self.with_failing("symlink=1", *self.resumed(out, 16))
        self.assertEqual(read(f"{out}/last"), "step_00000016\n")
        self.ok(*self.resumed(out, 18))
        self.assertEqual(os.readlink(path(out, "last")), "step_00000018")
        self.with_failing("symlink=95", *self.resumed(out, 20))
        self.assertEqual(read(f"{out}/last"), "step_00000020\n")
        self.assertIn(read_pointer(out, "best"), checkpoints(out))

    def resumed(self, out, steps):
        """The arguments of a run that continues to so many steps."""
        longer = [steps if flag == 12 else flag for flag in VERIFIED]
        return train_arguments(out, *longer, "--resume", "auto", "--keep-checkpoints", 1)

    def copy_of_whole(self, out, symlinks):
        shutil.rmtree(path(out), ignore_errors=True)
        shutil.copytree(path("whole"), path(out), symlinks=symlinks)
        return out

    def test_a_run_whose_links_were_copied_as_folders_goes_on(self):
        out = self.copy_of_whole("followed", symlinks=False)
        best = os.readlink(path("whole/best"))
        self.assertTrue(os.path.isdir(path(out, "best")))
        self.ok("eval", "--model", f"{out}/best", "--pairs", "pairs.txt", "--root", "faces")
        for resume in ["auto", f"{out}/last"]:
            self.ok(*train_arguments(out, *VERIFIED, "--resume", resume, "--keep-checkpoints", 1))
            self.assertEqual(os.readlink(path(out, "last")), "step_00000012")
            self.assertEqual(os.readlink(path(out, "best")), best)
            self.assert_as_whole(out)

    def test_a_link_that_was_copied_as_a_file_is_read(self):
        out = self.copy_of_whole("flattened", symlinks=True)
        for name in ["last", "best"]:
            target = os.readlink(path(out, name))
            os.remove(path(out, name))
            write(f"{out}/{name}", target)  # without a newline at the end
        self.ok("eval", "--model", f"{out}/best", "--pairs", "pairs.txt", "--root", "faces")
        self.ok(*self.resumed(out, 16))
        self.assertEqual(os.readlink(path(out, "last")), "step_00000016")
        self.assertIn(read_pointer(out, "best"), checkpoints(out))

    def test_a_folder_of_somebody_else_in_the_place_of_a_pointer_stays(self):
        for out, more in [("mine", []), (self.copy_of_whole("theirs", symlinks=True), ["--resume", "auto"])]:
            if os.path.islink(path(out, "best")):
                os.remove(path(out, "best"))
            write(f"{out}/best/photo.jpg", "the only one")
            self.refused(4, train_arguments(out, *VERIFIED, *more), f"{out}/best", "folder", "move it away")
            self.assertEqual(read(f"{out}/best/photo.jpg"), "the only one")
        out = self.copy_of_whole("more", symlinks=False)
        write(f"{out}/best/notes.txt", "not in the checkpoint")
        self.refused(4, train_arguments(out, *VERIFIED, "--resume", "auto"), f"{out}/best")
        self.assertEqual(read(f"{out}/best/notes.txt"), "not in the checkpoint")

    def test_what_is_dispensable_is_done_without(self):
        for calls, said in [("rename_over=17", "replaced by renaming"), ("rename_over=1 symlink=1", "symbolic links"),
                            ("renameat2=22", None), ("renameat2=1", None), ("fsync_folder=22", "fsync"), ("fsync_file=95 fsync_folder=38", "fsync"),
                            ("flock=37", "cannot be locked"), ("flock=95", "cannot be locked"), ("flock=38", "cannot be locked"),
                            ("statvfs_zero=1", "free space"), ("statvfs=38", "free space")]:  # fmt: skip
            with self.subTest(calls=calls):
                result = self.train_failing(calls, "without")
                self.assert_as_whole("without")
                if said:
                    self.assertEqual(result.err.count(said), 1, repr(result))
                else:
                    self.assertEqual(re.findall("lacks|cannot", result.err), [])
                again = self.with_failing(calls, *train_arguments("without", *VERIFIED, "--resume", "auto", "--keep-checkpoints", 1))
                self.assertIn("Nothing to do", again.err)
                self.assert_as_whole("without")

    def test_what_is_indispensable_fails_before_the_first_step(self):
        for calls, said in [("fsync_file=5", "fsync"), ("fsync_folder=5", "fsync"), ("rename_folder=95", "rename")]:
            with self.subTest(calls=calls):
                shutil.rmtree(path("never"), ignore_errors=True)
                result = finish(start_failing(calls, *train_arguments("never", *VERIFIED)))
                self.assertEqual(result.code, 4, repr(result))
                self.assert_one_sentence(result, said)
                self.assertFalse(os.path.exists(path("never/metrics.csv")))

    def test_a_pack_that_cannot_be_mapped_is_read(self):
        if not os.path.exists(path("faces.pack")):
            self.ok("pack", "--root", "faces", "--train-list", "faces/list.txt", "--out", "faces.pack")
        flags = ["--pack", "faces.pack", "--keep-checkpoints", 1]
        shutil.rmtree(path("packed"), ignore_errors=True)
        self.with_failing("mmap=19", *train_arguments("packed", *VERIFIED, *flags, without=["--root", "--train-list"]))
        self.assert_as_whole("packed")


class Unwritable(CliTest):
    @classmethod
    def setUpClass(cls):
        faces()
        pairs()
        if not os.path.exists(path("model")):
            cls().train("model")

    def assert_refused_early(self, arguments, *contents):
        before = sorted(os.listdir(harness.scratch()))
        result = self.refused(4, arguments, *contents)
        self.assertNotIn("embedding", result.err)
        self.assertEqual(sorted(os.listdir(harness.scratch())), before, "nothing stays")

    def test_the_place_of_a_result_is_tried_before_the_work(self):
        # A command that had begun its work would end with 3.
        if not os.path.exists(path("broken")):
            shutil.copytree(path("faces"), path("broken"))
            write(f"broken/{image_of(0, 0)}", "no image")
        images = ["--pairs", "pairs.txt", "--root", "broken"]
        models = ["--a", "model", "--b", "model"]
        write("file", "in the way")
        os.makedirs(path("folder"), exist_ok=True)
        for place in ["absent/x", "file/x"]:
            with self.subTest(place=place):
                self.assert_refused_early(["extract", "--model", "model", "--root", "broken", "--out", f"{place}.npy"], place)
                self.assert_refused_early(["eval", "--model", "model", *images, "--json", f"{place}.json"], place)
                self.assert_refused_early(["eval", "--model", "model", *images, "--report", f"{place}.html"], place)
                self.assert_refused_early(["compare", *models, *images, "--json", f"{place}.json"], place)
                self.assert_refused_early(["compare", *models, *images, "--report", f"{place}.html"], place)
                self.assert_refused_early(["bench", "--json", f"{place}.json", "--batch", 1, "--width", 0.0625, "--depth", 4], place)
                self.assert_refused_early(["pack", "--root", "broken", "--out", f"{place}.pack"], place)
        self.assert_refused_early(["compare", *models, *images, "--drawings", "file"], "file")
        self.assert_refused_early(["eval", "--model", "model", *images, "--json", "folder"], "folder", "directory")
        self.assert_refused_early(["synth", "--identities", 1, "--images", 1, "--out", "file"], "file")
        self.assert_refused_early(["synth", "--identities", 1, "--images", 1, "--out", "file/x"], "file")
        self.assert_refused_early(train_arguments("file"), "file")
        self.assert_refused_early(train_arguments("file/x"), "file")

    @unittest.skipIf(os.geteuid() == 0, "permissions do not bind the superuser")
    def test_a_folder_without_permission(self):
        os.makedirs(path("closed"), exist_ok=True)
        os.chmod(path("closed"), 0o500)
        self.assert_refused_early(train_arguments("closed"), "closed")
        self.assert_refused_early(train_arguments("closed/x"), "closed")
        self.assert_refused_early(["extract", "--model", "model", "--root", "broken", "--out", "closed/x.npy"], "closed")


class Locks(CliTest):
    @classmethod
    def setUpClass(cls):
        faces()

    def hold(self, out):
        """A run in `out` that continues until it is killed."""
        shutil.rmtree(path(out), ignore_errors=True)
        process = start(*train_arguments(out, "--iterations", 1000000))
        wait_for_log(out, "Step 1/", process)
        self.addCleanup(lambda: (process.kill(), process.communicate()))
        return process

    def test_a_second_run_is_refused_and_changes_nothing(self):
        first = self.hold("taken")
        os.makedirs(path("taken/.step_00000009.tmp-1"), exist_ok=True)
        os.symlink("taken", path("alias"))
        names = set(os.listdir(path("taken")))
        for flags in [("taken",), ("taken", "--resume", "auto"), ("./faces/../taken",), ("alias",)]:
            with self.subTest(flags=flags):
                self.refused(4, train_arguments(*flags), f"process {first.pid} on {socket.gethostname()}")
        self.refused(4, ["synth", "--identities", 1, "--images", 1, "--out", "taken"], str(first.pid))
        self.assertLessEqual({name for name in names if not name.startswith("step_")}, set(os.listdir(path("taken"))))
        self.assertNotIn("process", read("taken/train.log"))
        self.assertNotIn("Ended", read("taken/train.log"))
        self.assertEqual(sorted(set(row["step"] for row in metrics("taken"))), [row["step"] for row in metrics("taken")])

    def test_the_lock_goes_with_the_process(self):
        first = self.hold("killed")
        first.send_signal(signal.SIGKILL)
        finish(first)
        self.ok(*train_arguments("killed", "--resume", "auto"))
        self.assertEqual(hidden("killed"), [])

    def test_two_at_once(self):
        shutil.rmtree(path("both"), ignore_errors=True)
        runs = [start(*train_arguments("both", "--iterations", 100, "--seed", seed)) for seed in [1, 2]]
        results = [finish(process) for process in runs]
        self.assertEqual(sorted(result.code for result in results), [0, 4], repr(results))
        loser = next(result for result in results if result.code == 4)
        winner = next(process for process, result in zip(runs, results) if result.code == 0)
        self.assert_one_sentence(loser, "both", f"process {winner.pid} on {socket.gethostname()}")
        self.assertEqual([row["step"] for row in metrics("both")], list(range(1, 101)))

    def test_reading_is_allowed_and_leaves_no_trace(self):
        pairs()
        shutil.rmtree(path("read"), ignore_errors=True)
        process = start(*train_arguments("read", "--iterations", 1000000, "--checkpoint-every", 2, "--keep-checkpoints", 100000))
        self.addCleanup(lambda: (process.kill(), process.communicate()))
        wait_for_log("read", "saved step_00000002", process)
        self.ok("eval", "--model", "read", "--pairs", "pairs.txt", "--root", "faces")

    def test_first_runs_and_drawn_faces(self):
        shutil.rmtree(path("first"), ignore_errors=True)
        first = start("--out", "first", "--threads", 1)
        self.addCleanup(lambda: (first.kill(), first.communicate()))
        first.stderr.readline()
        self.refused(4, ["--out", "first"], f"process {first.pid} on")
        self.ok("synth", "--identities", 1, "--images", 1, "--out", "drawn")
        self.assertEqual(sorted(os.listdir(path("drawn"))), ["id_00000", "list.txt"])

    def test_a_refused_run_leaves_no_folder(self):
        write("nothing.txt", "faces/absent.jpg 0\n")
        out = tempfile.mktemp(prefix="refused-", dir=harness.scratch())
        self.refused(4, train_arguments(out + "/deep/run", "--resume", "absent"), "absent")
        self.assertFalse(os.path.exists(out))


if __name__ == "__main__":
    harness.main()
