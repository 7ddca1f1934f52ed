#!/usr/bin/env python3
"""Help, exit code 2 for invalid options, and the configuration file."""

import glob
import os
import re

import harness
from harness import CliTest, environment, faces, metrics, path, read, run, sha, train_arguments, write

COMMANDS = ["train", "eval", "compare", "extract", "inspect", "check-data", "pack", "synth", "align", "bench"]


def flags_of(help_text):
    return set(re.findall(r"^\s+(?:-\w,)?(--[a-z0-9-]+)", help_text, re.MULTILINE)) - {"--help"}


class Help(CliTest):
    def test_every_command_has_help_with_defaults(self):
        for command in [[], *([name] for name in COMMANDS)]:
            with self.subTest(command=command):
                result = self.ok(*command, "--help")
                self.assertEqual(result.err, "")
                self.assertGreater(len(result.out.splitlines()), 6)
                if command != ["inspect"]:  # inspect has no options with values
                    self.assertRegex(result.out, r"--[a-z0-9-]+ [A-Z].*(=| \[)\w", "a default")
                self.assertEqual(self.ok(*command, "-h").out, result.out)

    def test_defaults_that_scripts_rely_on(self):
        text = self.ok("train", "--help").out
        for flag, default in {"feature-norm": "on", "depth": "20", "width": "1",
                              "input": "112x96", "batch": "256", "lr": "0.1", "loss": "amsoftmax", "bad-images": "fail",
                              "iterations": "30000"}.items():  # fmt: skip
            self.assertRegex(text, rf"(?m)^\s+--{flag} .*(=| \[){re.escape(default)}[\s\]]")  # CLI11 2.1 and 2.4

    def test_help_wins_over_anything_else(self):
        self.ok("train", "--batch", "0", "--help")
        self.ok("eval", "--help")  # its required options are not given

    def test_the_first_help_names_every_command(self):
        text = self.ok("--help").out
        for command in COMMANDS:
            self.assertIn(command, text)

    def test_every_flag_has_a_test(self):
        """A flag that no test passes to the program is not tested; a test that it refuses values, as here, is not enough."""
        tests = ""
        for name in glob.glob(os.path.join(os.path.dirname(os.path.abspath(__file__)), "*_test.py")):
            with open(name) as file:
                tests += file.read() if os.path.basename(name) != "usage_test.py" else ""
        given = set(re.findall(r"[\"'](--[a-z0-9-]+)[\"']", tests)) | {"--config", "--preset"}  # tested below
        for command in [[], *([name] for name in COMMANDS)]:
            self.assertEqual(flags_of(self.ok(*command, "--help").out) - given, set(), f"of train_face {' '.join(command)}")


class Usage(CliTest):
    def setUp(self):
        faces()

    def test_unknown(self):
        self.refused(2, ["nonsense"], "'nonsense'", "train", "check-data")
        self.refused(2, ["--nonsense"], "--nonsense", "--help")
        for command in COMMANDS:
            result = run(command, "--nonsense")
            self.assertEqual(result.code, 2, command)
            self.assert_one_sentence(result, f"train_face {command} --help")
            self.assertEqual(run(command, "--nonsense=3").code, 2, command)

    def test_missing_options(self):
        self.refused(2, ["train"], "--root")
        self.refused(2, ["train", "--root", "faces"], "--out")
        self.refused(2, ["eval", "--pairs", "p", "--root", "faces"], "--model", "--raw-pixels")
        self.refused(2, ["eval", "--model", "m", "--root", "faces"], "--pairs")
        self.refused(2, ["eval", "--model", "m", "--pairs", "p"], "--root")
        self.refused(2, ["extract", "--root", "faces", "--out", "e.npy"], "--model")
        self.refused(2, ["extract", "--model", "m", "--out", "e.npy"], "--root")
        self.refused(2, ["extract", "--model", "m", "--root", "faces"], "--out")
        self.refused(2, ["check-data"], "--root")
        self.refused(2, ["pack", "--root", "faces"], "--out")
        self.refused(2, ["pack", "--out", "faces.pack"], "--root")
        self.refused(2, ["synth", "--out", "o", "--images", "2"], "--identities")
        self.refused(2, ["align", "--out", "o", "--landmarks", "l.csv"], "--in")
        self.refused(2, ["align", "--in", "faces", "--landmarks", "l.csv"], "--out")
        self.refused(2, ["align", "--in", "faces", "--out", "o"], "--mtcnn", "--landmarks")
        self.refused(2, ["compare", "--a", "m"], "--")

    def test_values_out_of_range_or_of_another_kind(self):
        for flag, values in {
            "--batch": ["0", "-3", "abc", "1.5", "", "99999999999999999999", "1000001"],
            "--accumulate": ["0", "9000000000000000000"],
            "--iterations": ["0", "-1", "1e3"],
            "--epochs": ["-1", "nan", "inf"],
            "--lr": ["nan", "inf", "-0.1", "fast"],
            "--lr-steps": ["0", "nan", "1e300", "0.5,x"],
            "--lr-gamma": ["-1", "2", "nan"],
            "--warm-up": ["-1"],
            "--lr-power": ["-1", "nan"],
            "--lr-step-size": ["0", "-1", "nan"],
            "--schedule": ["constant", ""],
            "--lr-least": ["-1", "nan"],
            "--method": ["adamax", ""],
            "--freeze": ["fc7.*", "fc5", ""],
            "--lr-mult": ["fc5.*", "fc5.*=", "fc5.*=x", "fc5.*=0", "fc5.*=-1", "fc5.*=nan", "=2", "fc7.*=2", ""],
            "--regularization": ["l3"],
            "--clip-norm": ["-1", "nan"],
            "--beta2": ["-1", "1.5", "nan"],
            "--epsilon": ["-1", "nan"],
            "--momentum": ["1.5", "-1", "nan"],
            "--weight-decay": ["-1", "nan"],
            "--depth": ["18", "0", "-4"],
            "--width": ["0", "-1", "nan", "17"],
            "--embedding": ["0", "65537"],
            "--loss": ["cosine", ""],
            "--angle": ["-1", "4", "nan"],
            "--centres": ["0", "-1", "1.5"],
            "--past-pi": ["never"],
            "--margin-gradient": ["none"],
            "--scale": ["0", "nan", "-30"],
            "--margin": ["-0.1", "3", "nan"],
            "--margin-rule": ["sometimes"],
            "--feature-norm": ["maybe"],
            "--weight-norm": ["none"],
            "--input": ["112", "112x", "0x0", "112x96x3", "9999x9999", "axb"],
            "--channel-order": ["brg"],
            "--mean": ["nan", "400", "-1"],
            "--mirror": ["perhaps"],
            "--workers": ["0", "257"],
            "--cache": ["disk", ""],
            "--val-every": ["-2"],
            "--protocol": ["lfw"],
            "--threads": ["-1", "1025"],
            "--convolution": ["winograd", "tiles-1"],
            "--seed": ["-1", "1.5", "18446744073709551616"],
            "--log-every": ["0"],
            "--checkpoint-every": ["0"],
            "--keep-checkpoints": ["0"],
            "--classes": ["-1", "2147483649"],
            "--bad-images": ["ignore"],
            "--preset": ["large"],
        }.items():
            for value in values:
                with self.subTest(flag=flag, value=value):
                    self.refused_training(2, [f"{flag}={value}"], flag, without=[flag])

    def test_other_commands_check_their_values_too(self):
        model = ["--model", "m", "--root", "faces"]
        for arguments, flag in [
            (["eval", *model, "--pairs", "p", "--protocol", "lfw"], "--protocol"),
            (["eval", *model, "--pairs", "p", "--threads", "-1"], "--threads"),
            (["eval", *model, "--pairs", "p", "--bad-images", "no"], "--bad-images"),
            (["eval", *model, "--pairs", "p", "--json", "r.html"], "--json"),
            (["extract", *model, "--out", "e.npy", "--flip", "both"], "--flip"),
            (["extract", *model, "--out", "e.txt"], "--out"),
            (["check-data", "--root", "faces", "--input", "112"], "--input"),
            (["check-data", "--root", "faces", "--workers", "0"], "--workers"),
            (["synth", "--out", "o", "--identities", "0", "--images", "1"], "--identities"),
            (["synth", "--out", "o", "--identities", "1", "--images", "x"], "--images"),
            (["synth", "--out", "o", "--identities", "1", "--images", "1", "--seed", "-1"], "--seed"),
            (["bench", "--batch", "0"], "--batch"),
            (["bench", "--convolution", "tiles-7"], "--convolution"),
            (["eval", *model, "--pairs", "p", "--convolution", "fast"], "--convolution"),
            (["extract", *model, "--out", "e.npy", "--convolution", ""], "--convolution"),
            (["compare", "--a", "m", "--b", "m", "--pairs", "p", "--root", "faces", "--convolution", "tiles"], "--convolution"),
            (["--convolution", "Direct"], "--convolution"),
            (["bench", "--width", "nan"], "width"),
            (["bench", "--depth", "18"], "--depth"),
            (["bench", "--iterations", "0"], "--iterations"),
            (["bench", "--classes", "0"], "--classes"),
            (["bench", "--steps-per-wait", "0"], "--steps-per-wait"),
            (["--threads", "-1"], "--threads"),
            (["--seed", "x"], "--seed"),
        ]:
            with self.subTest(arguments=arguments):
                self.refused(2, arguments, flag)
        self.assertFalse(os.path.exists(path("runs")), "a refused command leaves nothing behind")

    def test_options_that_exclude_each_other(self):
        self.refused_training(2, ["--iterations", 3, "--epochs", 2], "--iterations", "--epochs")
        self.refused_training(2, ["--val-pairs", "pairs.txt"], "--val-root")
        self.refused_training(2, ["--batch", 4, "--batch", 5], "--batch")

    def test_a_refused_run_leaves_nothing_behind(self):
        self.refused(2, train_arguments("nothing", "--batch", 0), "--batch")
        self.assertFalse(os.path.exists(path("nothing")))


class Config(CliTest):
    def setUp(self):
        faces()

    def test_a_file_sets_what_the_command_line_overrides(self):
        write("run.toml", '# a comment\nbatch = 4\nlr = 0.02 # another\nlr-steps = [0.4, 2]\nmirror = false\nloss = "softmax"\n')
        self.train("config", "--config", "run.toml", "--lr", 0.03, "--lr-gamma", 0.5, without=["--batch"])
        text = read("config/config.toml")
        for line in ["batch = 4", "lr = 0.03", "lr-steps = [0.4, 2]", "mirror = false", 'loss = "softmax"']:
            self.assertIn(f"\n{line}\n", text)
        self.assertEqual([row["learning_rate"] for row in metrics("config")], [0.03, 0.015, 0.0075])
        self.assertAlmostEqual(metrics("config")[0]["epoch"], 4 / 72, places=3)

    def test_spellings_of_toml(self):
        write("spelled.toml", b"\xef\xbb\xbf'batch' = 4\r\n\"root\"=\t'faces'\r\n\r\n  seed = 18446744073709551615\r\nexclude = \"\"\r\nlr = +2e-2")
        self.train("spelled", "--config", "spelled.toml", without=["--batch", "--root", "--lr"])
        self.assertEqual(environment("spelled")["seed"], 2**64 - 1)
        self.assertEqual(metrics("spelled")[0]["learning_rate"], 0.02)

    def test_the_resolved_file_gives_the_identical_run(self):
        for name, flags in {
            "plain": ["--lr-steps", "0.1234567890123", "--weight-decay", 1.23456789e-4, "--mirror", "false"],
            "preset": ["--preset", "small", "--epochs", 0.4, "--batch", 8, "--seed", 9],
            "seeds": ["--preset", "amsoftmax", "--iterations", 3, "--batch", 8],
        }.items():
            with self.subTest(name=name):
                self.train(name, *flags)
                self.ok("train", "--config", f"{name}/config.toml", "--out", f"{name}-again")
                self.assert_same(name, f"{name}-again")
                again = [line for line in read(f"{name}-again/config.toml").splitlines() if not line.startswith("out = ")]
                self.assertEqual(again, [line for line in read(f"{name}/config.toml").splitlines() if not line.startswith("out = ")])
        self.assertEqual(sha("plain/config.toml"), sha("plain/last/config.toml"), "each checkpoint holds it too")

    def test_it_holds_every_setting(self):
        self.train("every")
        keys = set(re.findall(r"^([a-z0-9-]+) = ", read("every/config.toml"), re.MULTILINE))
        silent = {"config", "resume", "verbose", "preset", "epochs", "exclude", "pack", "val-pairs", "val-root", "val-pack", "init-from",  # not given
                  "net", "snapshot", "solver", "test-list", "weights",  # of a net of Caffe
                  "freeze", "lr-mult",  # of no parameter
                  "angle", "anneal-base", "anneal-gamma", "anneal-least", "balance", "concentration", "learned-scale", "loss-weight",
                  "margin-gradient", "margin-high", "margin-low", "multiplier", "norm-high", "norm-low", "norm-penalty", "past-pi",
                  "sharpness", "sphereface-r", "statistics-momentum",  # of other losses
                  "lr-power", "lr-step-size", "lr-least", "beta2", "epsilon"}  # fmt: skip  # without effect
        self.assertEqual({flag[2:] for flag in flags_of(self.ok("train", "--help").out)} - silent, keys)
        for line in ["scale = 30", "margin = 0.35", 'margin-rule = "always"', "centres = 1"]:  # the loss's own values
            self.assertIn(f"\n{line}\n", read("every/config.toml"))

    def test_presets_and_what_overrides_them(self):
        def recipe(out, *flags):
            self.train(out, *flags, "--classes", 12, without=["--lr", "--batch"])
            return read(f"{out}/config.toml")

        seed = recipe("preset-am", "--preset", "amsoftmax", "--batch", 8, "--iterations", 2)
        for line in ["lr = 0.1", "lr-steps = [16000, 24000, 28000]", "iterations = 2", 'margin-rule = "cos_gt_m"', "scale = 30",
                     "margin = 0.35", 'weight-norm = "in-place"', "weight-decay = 0.0005", "momentum = 0.9"]:  # fmt: skip
            self.assertIn(f"\n{line}\n", seed)
        small = recipe("preset-small", "--preset", "small", "--iterations", 2, "--batch", 8)
        self.assertIn("\niterations = 2\n", small, "--iterations overrides the preset's epochs")
        self.assertNotIn("epochs", small)
        small = recipe("preset-small", "--preset", "small", "--epochs", 0.3, "--batch", 8, "--lr", 0.02, "--warm-up", 1)
        self.assertIn("\nepochs = 0.3\n", small)
        self.assertNotIn("iterations", small)
        self.assertIn("\nlr = 0.02\n", small)
        self.assertEqual(len(metrics("preset-small")), 3, "0.3 epochs of 72 images in batches of 8")
        plain = recipe("preset-none", "--batch", 8, "--iterations", 2)
        for line in ['margin-rule = "always"', 'weight-norm = "projected"', "lr = 0.1", "warm-up = 0"]:
            self.assertIn(f"\n{line}\n", plain)

    def test_lengths_override_each_other_across_file_and_command_line(self):
        write("epochs.toml", "epochs = 2\n")
        self.train("two", "--config", "epochs.toml", "--iterations", 2)
        self.assertEqual(len(metrics("two")), 2)
        write("iterations.toml", 'iterations = 50\npreset = "small"\n')
        self.train("three", "--config", "iterations.toml", "--epochs", 0.3)
        self.assertEqual(len(metrics("three")), 3)

    def test_errors_name_the_file_and_the_line(self):
        for text, line, what in [
            ("batch = 4\nbogus = 3\n", 2, "bogus"),
            ("batch = = 4\n", 1, "value"),
            ("\n\nhello\n", 3, "`=`"),
            ("lr = [0.1\n", 1, "]"),
            ("[train]\nlr = 0.3\n", 1, "[name]"),
            ("lr = 0.3\nlr = 0.4\n", 2, "second time"),
            ('loss = "softmax\n', 1, "quotation"),
            ("loss = softmax extra\n", 1, "nothing after"),
            ('root = "a\\qb"\n', 1, "backslash"),
            ("= 3\n", 1, "key"),
            ("lr-steps = []\n", 1, "value"),
            ("\nscale = fast\n", 2, "--scale"),
            ('\r\nloss = "foo"\r\n', 2, "--loss"),
            ("margin = 0.3\naccumulate = 0\n", 2, "--accumulate"),
            ("width = nan\n", 1, "--width"),
            ('resume = "auto"\n', 1, "resume"),
            ('config = "other.toml"\n', 1, "config"),
            ("verbose = true\n", 1, "verbose"),
            ('convolution = "fast"\n', 1, "--convolution"),
        ]:
            with self.subTest(text=text):
                write("bad.toml", text)
                self.refused_training(2, ["--config", "bad.toml"], f"bad.toml:{line}:", what, without=["--lr", "--width"])

    def test_a_file_that_is_not_there_or_no_text(self):
        self.refused_training(2, ["--config", "absent.toml"], "absent.toml")
        self.refused_training(2, ["--config", "faces"], "faces")
        write("binary.toml", b"batch = 4\0\1\2" * 50)
        self.refused_training(2, ["--config", "binary.toml"], "binary.toml")


if __name__ == "__main__":
    harness.main()
