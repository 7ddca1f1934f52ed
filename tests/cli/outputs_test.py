#!/usr/bin/env python3
"""A command does not write to a file that it reads, nor replace a user's file without being told to."""

import os
import shutil

import harness
from harness import CliTest, faces, image_of, pairs, path, read, sha, train_arguments, write

ON_FACES = ["--pairs", "pairs.txt", "--root", "faces"]


class Outputs(CliTest):
    @classmethod
    def setUpClass(cls):
        faces()
        pairs()
        if not os.path.exists(path("model")):
            cls().train("model")
        write("set.txt", f"{image_of(0, 0)} 0\n{image_of(1, 0)} 1\n")

    def links_to(self, name):
        """The name itself and other paths to the same file."""
        stem, extension = os.path.splitext(name)
        directory, stem = os.path.split(stem)
        soft, hard = os.path.join(directory, f"{stem}_soft{extension}"), os.path.join(directory, f"{stem}_hard{extension}")
        for link, make in [(soft, os.symlink), (hard, os.link)]:
            if os.path.lexists(path(link)):
                os.remove(path(link))
            make(path(name), path(link))
        return [name, f"./{name}", f"faces/../{name}", soft, hard]

    def assert_kept(self, arguments, files, *contents):
        before = {file: sha(file) for file in files}
        self.refused(2, arguments, *contents)
        for file in files:
            self.assertEqual(sha(file), before[file], file)

    def test_names_beside_an_array_are_not_the_list(self):
        extract = ["extract", "--model", "model", "--root", "faces", "--list", "set.txt"]
        for out in self.links_to("set.txt"):
            with self.subTest(out=out):
                self.assert_kept([*extract, "--out", os.path.splitext(out)[0] + ".npy"], ["set.txt"], "--out", "--list", "the names")
        self.assertFalse(os.path.exists(path("set.npy")))

    def test_a_result_is_no_input(self):
        shutil.copyfile(path("pairs.txt"), path("p.txt"))
        on_p = ["--pairs", "p.txt", "--root", "faces"]
        for name in self.links_to("p.txt"):
            self.assert_kept(["eval", "--model", "model", *on_p, "--json", name], ["p.txt"], "--json", "--pairs")
            self.assert_kept(["eval", "--raw-pixels", *on_p, "--report", name], ["p.txt"], "--report", "--pairs")
            self.assert_kept(["compare", "--a", "model", "--b", "model", *on_p, "--json", name], ["p.txt"], "--json", "--pairs")
            self.assert_kept(["compare", "--a", "model", "--b", "model", *on_p, "--report", name], ["p.txt"], "--report", "--pairs")
        shutil.copyfile(path("pairs.txt"), path("p.html"))
        self.assert_kept(["eval", "--model", "model", "--pairs", "p.html", "--root", "faces", "--json", "p.json"], ["p.html"], "--report", "--pairs")

    def test_a_result_is_no_file_of_the_model(self):
        for file in ["model/last/model.safetensors", "model/step_00000003/state.json", "model/metrics.csv"]:
            self.assert_kept(["eval", "--model", "model", *ON_FACES, "--json", file], [file], "--json", "--model")
            self.assert_kept(["compare", "--a", "model", "--b", "model", *ON_FACES, "--report", file], [file], "--report", "--a")
        self.assert_kept(["eval", "--model", "model/last", *ON_FACES, "--json", "model/last/MANIFEST.json"], ["model/last/MANIFEST.json"], "--model")
        shutil.copyfile(path("model/last/model.safetensors"), path("weights.npy"))
        self.assert_kept(["extract", "--model", "weights.npy", "--root", "faces", "--out", "weights.npy"], ["weights.npy"], "--out", "--model")
        self.ok("eval", "--model", "model", *ON_FACES, "--json", "model/eval.json")  # beside them is fine

    def test_a_pack_is_nothing_it_is_made_of(self):
        pack = ["pack", "--root", "faces", "--train-list", "faces/list.txt"]
        image = f"faces/{image_of(3, 2)}"
        os.symlink(path(image), path("image_soft"))
        os.link(path(image), path("image_hard"))
        for out in [image, "image_soft", "image_hard"]:
            self.assert_kept([*pack, "--out", out], [image], "--out", "--root")
        self.assert_kept([*pack, "--out", "faces/list.txt"], ["faces/list.txt"], "--out", "--train-list")
        write("nobody.txt", "somebody_else\n")
        self.assert_kept([*pack, "--exclude", "nobody.txt", "--out", "nobody.txt"], ["nobody.txt"], "--out", "--exclude")
        self.ok(*pack, "--out", "faces.pack")
        self.ok(*pack, "--out", "faces.pack")
        self.assert_kept(["eval", "--model", "model", "--pairs", "pairs.txt", "--pack", "faces.pack", "--json", "faces.pack"], ["faces.pack"], "--pack")
        os.remove(path("image_hard"))

    def test_a_run_is_not_written_over_what_it_reads(self):
        self.refused(2, train_arguments("faces"), "--out", "--root")
        self.refused(2, train_arguments("./faces/../faces"), "--out", "--root")
        os.makedirs(path("mixed"), exist_ok=True)
        shutil.copyfile(path("faces/list.txt"), path("mixed/train.log"))
        self.assert_kept(train_arguments("mixed", "--train-list", "mixed/train.log"), ["mixed/train.log"], "--out", "--train-list")
        write("own/config.toml", "# my settings\nlr = 0.01\n")
        self.assert_kept(train_arguments("own", "--config", "own/config.toml"), ["own/config.toml"], "--out", "--config")
        os.makedirs(path("linked"), exist_ok=True)
        os.link(path("pairs.txt"), path("linked/report.html"))
        verify = ["--val-pairs", "pairs.txt", "--val-root", "faces"]
        self.assert_kept(train_arguments("linked", *verify), ["pairs.txt"], "--out", "--val-pairs")
        self.train("resumed")
        self.ok("train", "--config", "resumed/config.toml", "--resume", "auto")
        self.ok("train", "--config", "resumed/config.toml", "--resume", "auto", "--iterations", 4)

    def test_what_nobody_asked_to_replace_stays(self):
        for name, text in [("report.html", "<html>my report</html>"), ("metrics.csv", "day,weight\n1,2\n"), ("train.log", "dear diary\n"),
                           ("config.toml", "lr = 3\n"), ("environment.json", "{}"), ("validation.csv", "a,b\n")]:  # fmt: skip
            with self.subTest(name=name):
                shutil.rmtree(path("diary"), ignore_errors=True)
                write(f"diary/{name}", text)
                self.assert_kept(train_arguments("diary"), [f"diary/{name}"], "--out", name)
                self.assertEqual(os.listdir(path("diary")), [name])
                if name != "train.log":
                    self.assert_kept(["--out", "diary"], [f"diary/{name}"], "--out", name)
        write("album/list.txt", "1. bread\n")
        self.assert_kept(["synth", "--identities", 1, "--images", 1, "--out", "album"], ["album/list.txt"], "--out", "list.txt")
        self.assertEqual(os.listdir(path("album")), ["list.txt"])
        write("notes.txt", "mine\n")
        extract = ["extract", "--model", "model", "--root", "faces", "--list", "set.txt", "--out", "notes.npy"]
        self.assert_kept(extract, ["notes.txt"], "--out", "notes.txt")
        write("page.html", "<html>mine</html>")
        self.assert_kept(["eval", "--model", "model", *ON_FACES, "--json", "page.json"], ["page.html"], "--report", "page.html")
        write("drawings/loss.svg", "<svg>mine</svg>")
        compare = ["compare", "--a", "model", "--b", "model", *ON_FACES, "--drawings", "drawings"]
        self.assert_kept(compare, ["drawings/loss.svg"], "--drawings", "loss.svg")

    def test_what_is_ours_or_was_named_is_replaced(self):
        extract = ["extract", "--model", "model", "--root", "faces", "--out", "again.npy"]
        self.ok(*extract, "--list", "set.txt")
        self.ok(*extract)
        self.assertEqual(len(read("again.txt").splitlines()), 72)
        evaluate = ["eval", "--model", "model", *ON_FACES, "--json", "again.json"]
        self.ok(*evaluate)
        self.ok(*evaluate)
        write("named.html", "<html>mine</html>")
        self.ok(*evaluate, "--report", "named.html")
        self.assertIn("<svg", read("named.html"))
        compare = ["compare", "--a", "model", "--b", "model", *ON_FACES, "--drawings", "curves"]
        self.ok(*compare)
        self.ok(*compare)
        for _ in range(2):
            self.ok("synth", "--identities", 1, "--images", 1, "--out", "drawn")
        self.ok("eval", "--model", "model", *ON_FACES, "--json", "/dev/stdout", "--report", "/dev/null")

    def test_two_results_in_one_file(self):
        write("one.json", "old")
        os.path.lexists(path("two.json")) or os.symlink("one.json", path("two.json"))
        for two in ["one.json", "./one.json", "two.json"]:
            self.refused(2, ["eval", "--model", "model", *ON_FACES, "--json", "one.json", "--report", two], "--json", "--report")
        self.refused(2, ["eval", "--model", "model", *ON_FACES, "--json", "new.html", "--report", "./new.html"], "--json", "--report")
        self.assertEqual(read("one.json"), "old")


if __name__ == "__main__":
    harness.main()
