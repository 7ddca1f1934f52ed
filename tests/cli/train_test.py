#!/usr/bin/env python3
"""Every flag of train_face train has its effect; the same seed gives the same bits; a run that diverges stops."""

import json
import math
import os
import pty
import re

import harness
from harness import (CliTest, checkpoints, column, described, environment, faces, image_of, metrics, model, newest, norm, pairs, path,
                     read, train_arguments, validated_steps, write)  # fmt: skip


def ppm(height, width, shade):
    """An image that is identical when mirrored, and different in another channel order."""
    return f"P6\n{width} {height}\n255\n".encode() + bytes([shade, 255 - shade, (shade * 7) % 256]) * (height * width)


class Train(CliTest):
    @classmethod
    def setUpClass(cls):
        faces()
        pairs()
        cls().train("base")


class Data(Train):
    def test_root_alone_takes_the_folders(self):
        self.train("folders", without=["--train-list"])
        self.assert_same("base", "folders")

    def test_train_list_and_classes(self):
        write("few.txt", "".join(f"{image_of(i, j)} {i}\n" for i in range(5) for j in range(4)))
        self.train("few", "--train-list", "few.txt")
        self.assertEqual((environment("few")["classes"], environment("few")["images"]), (5, 20))
        self.train("more", "--train-list", "few.txt", "--classes", 9)
        self.assertEqual(environment("more")["classes"], 9)
        self.assertEqual(model(newest("more"))[1]["fc6.weight"][0], [9, 16])
        self.assertIn("Labels that no image has: 4, the first 5", read("more/train.log"))
        self.assertNotIn("Labels that no image has", read("few/train.log"))

    def test_exclude(self):
        write("overlap.txt", "id_00003\nid_00007\nnobody\n")
        self.train("without", "--exclude", "overlap.txt")
        self.assertEqual((environment("without")["classes"], environment("without")["images"]), (10, 60))
        self.assertIn("Left out: 12 images of 2 identities named in overlap.txt", read("without/train.log"))
        self.assertIn("nobody", read("without/train.log"))

    def test_input_channel_order_and_mean_go_into_the_model_file(self):
        for i in range(4):
            write(f"square/p{i}/1.ppm", ppm(112, 112, 40 * i + 30))
        flags = ["--root", "square", "--batch", 4, "--input", "112x112"]
        self.train("square-bgr", *flags, without=["--train-list"])
        self.train("square-rgb", *flags, "--channel-order", "rgb", without=["--train-list"])
        self.train("square-128", *flags, "--mean", 128, without=["--train-list"])
        about = {name: described(newest(f"square-{name}"))["roles"] for name in ["bgr", "rgb", "128"]}
        for one in about.values():
            self.assertEqual((one["image"]["input"], one["image"]["height"], one["image"]["width"]), ("data", 112, 112))
            self.assertEqual(one["image"]["scale"], 1 / 128)
            self.assertEqual((one["embedding"], one["labels"], one["loss"], one["class_weights"]), ("fc5", "labels", "loss", "fc6.weight"))
            self.assertEqual(one["metrics"], [{"name": "accuracy", "value": "accuracy"}])
        self.assertEqual([about[name]["image"]["order"] for name in about], ["bgr", "rgb", "bgr"])
        self.assertEqual([about[name]["image"]["mean"] for name in about], [127.5, 127.5, 128])
        self.assertEqual(model(newest("square-bgr"))[0].keys(), {"amnet.net", "amnet.step"})
        losses = {column(f"square-{name}", "loss")[0] for name in about}
        self.assertEqual(len(losses), 3, "each sees other numbers")
        self.refused_training(3, [*flags[:4], "--input", "112x96"], "112x112", "112x96", without=["--train-list"])

    def test_mirror(self):
        self.train("unmirrored", "--mirror", "false")
        self.assert_differs("unmirrored", "base")
        for i in range(4):  # each is identical to its mirror image
            write(f"even/p{i}/1.ppm", ppm(112, 96, 40 * i + 30))
        for mirror in ["true", "false"]:
            self.train(f"even-{mirror}", "--root", "even", "--mirror", mirror, without=["--train-list"])
        self.assert_same("even-true", "even-false", ["model.safetensors"])


    def test_augment(self):
        self.train("as-before", "--augment", "none")
        self.assert_same("base", "as-before")
        self.assertFalse(os.path.exists(path("base/augmented.jpg")))
        self.assertNotIn("Training images", read("base/report.html"))
        self.assertIn('\naugment = "none"\n', read("base/config.toml"))
        for augment in ["light", "strong"]:
            self.train(augment, "--augment", augment)
            self.train(f"{augment}-workers", "--augment", augment, "--workers", 4)
            self.assert_same(augment, f"{augment}-workers")
            self.assert_differs(augment, "base")
            self.assertTrue(read(f"{augment}/augmented.jpg", "rb").startswith(b"\xff\xd8\xff"))
            self.assertIn("Training images", read(f"{augment}/report.html"))
            self.assertIn("data:image/jpeg;base64,", read(f"{augment}/report.html"))
            self.assertIn(f"Images: augment {augment}, sampling shuffle", read(f"{augment}/train.log"))
        self.assert_differs("light", "strong")
        again = train_arguments("light", "--augment", "none", "--iterations", 4, "--resume", "auto")
        self.assertIn('Setting changed since the checkpoint: augment = "none", was "light"', self.ok(*again).err)
        self.assertFalse(os.path.exists(path("light/augmented.jpg")))
        self.refused_training(2, ["--augment", "strong", "--cache", "device"], "--cache", "--augment strong")
        self.refused_training(2, ["--augment", "wild"], "--augment", "light")
        write("taken/augmented.jpg", "a picture of mine")
        self.refused(2, train_arguments("taken", "--augment", "light"), "augmented.jpg", "was not written by this command")

    def test_sampling(self):
        self.train("shuffled", "--sampling", "shuffle")
        self.assert_same("base", "shuffled")
        self.train("balanced", "--sampling", "balanced")
        self.train("balanced-workers", "--sampling", "balanced", "--workers", 4)
        self.assert_same("balanced", "balanced-workers")
        self.assert_differs("balanced", "base")
        self.assertIn('\nsampling = "balanced"\n', read("balanced/config.toml"))
        again = train_arguments("balanced", "--iterations", 4, "--resume", "auto")
        self.assertIn('Setting changed since the checkpoint: sampling = "shuffle", was "balanced"', self.ok(*again).err)
        self.refused_training(2, ["--sampling", "fair"], "--sampling", "balanced")

    def test_cache(self):
        # The effect of a cache is tested where a GPU, or an emulated one, is available
        # (tests/cuda/trainer_test.cpp).
        self.train("uncached", "--cache", "none")
        self.assert_same("base", "uncached")
        self.assertIn('\ncache = "none"\n', read("base/config.toml"))
        result = self.refused_training(2, ["--cache", "device", "--device", "cpu"], "--cache", "GPU", "cpu with 1 thread", "--device cuda")
        self.assertNotIn("Data:", result.err, "before anything is read or written")


class Network(Train):
    def test_depth_width_and_embedding(self):
        def shapes(out, *flags, without=()):
            self.train(out, *flags, "--iterations", 1, without=without)
            return {name: shape for name, (shape, _) in model(newest(out))[1].items()}

        base = shapes("one")
        self.assertEqual(base["conv1_1.weight"], [4, 3, 3, 3])
        self.assertEqual(base["fc5.weight"], [16, 32 * 7 * 6])
        self.assertEqual(len([name for name in shapes("depth10", "--depth", 10) if re.match(r"conv.*\.weight", name)]), 10)
        wide = shapes("wide", "--width", 0.125, "--embedding", 24)
        self.assertEqual((wide["conv1_1.weight"], wide["fc5.weight"], wide["fc6.weight"]), ([8, 3, 3, 3], [24, 64 * 7 * 6], [12, 24]))

    def first_loss(self, *flags):
        self.train("loss", *flags, "--iterations", 1)
        return column("loss", "loss")[0]

    def test_losses(self):
        self.train("softmax", "--loss", "softmax")
        self.assertIn("fc6.bias", model(newest("softmax"))[1])
        self.assertAlmostEqual(column("softmax", "loss")[0], math.log(12), delta=0.8)
        names = set(model(newest("base"))[1])
        self.train("normface", "--loss", "normface")
        self.assertEqual(len(set(model(newest("normface"))[1]) - names), 1, "normface learns its scale")
        self.assertEqual(self.first_loss("--loss", "amsoftmax"), column("base", "loss")[0], "the default")
        self.assertEqual(self.first_loss("--loss", "normface"), self.first_loss("--margin", 0), "normface is without a margin")

    def test_scale_and_margin(self):
        self.assertAlmostEqual(self.first_loss("--scale", 1e-4, "--margin", 0), math.log(12), places=3)
        plain, with_margin = self.first_loss("--margin", 0), self.first_loss("--margin", 0.35)
        self.assertGreater(with_margin, plain + 5)
        self.assertLess(with_margin, plain + 30 * 0.35 + 1e-4)
        self.assertGreater(self.first_loss("--scale", 60), self.first_loss("--scale", 30) + 5)

    def test_margin_rule(self):
        # In an untrained network with 16 dimensions, cosines above a margin of 0.99 are possible
        # but very unlikely.
        self.assertEqual(self.first_loss("--margin", 0.99, "--margin-rule", "cos_gt_m"), self.first_loss("--margin", 0))
        self.assertGreater(self.first_loss("--margin", 0.99, "--margin-rule", "always"), self.first_loss("--margin", 0) + 20)

    def test_feature_norm(self):
        # With a feature of norm 0.65 the logits are smaller than with a scale of 30, and the margin
        # is annealed.
        self.assertLess(self.first_loss("--feature-norm", "off"), self.first_loss("--feature-norm", "on") - 5)

    def test_weight_norm(self):
        def row_norms(out):
            (classes, size), values = model(newest(out))[1]["fc6.weight"]
            return [norm(values[i * size : (i + 1) * size]) for i in range(classes)]

        self.train("in-place", "--weight-norm", "in-place", "--lr", 1e-6)
        self.assertTrue(all(abs(value - 1) < 1e-3 for value in row_norms("in-place")), row_norms("in-place"))
        self.train("projected", "--weight-norm", "projected", "--lr", 1e-6)
        self.assertTrue(any(abs(value - 1) > 1e-2 for value in row_norms("projected")), row_norms("projected"))


class Recipe(Train):
    def test_batch_and_accumulate(self):
        self.train("accumulated", "--batch", 4, "--accumulate", 2)
        self.assertEqual(column("accumulated", "epoch"), column("base", "epoch"))
        self.assertIn("effective batch 8", read("accumulated/train.log"))
        self.assertEqual(column("accumulated", "loss")[0], column("base", "loss")[0], "the mean over the same images")
        for name, (_, values) in model(newest("accumulated"))[1].items():
            for a, b in zip(values, model(newest("base"))[1][name][1]):
                self.assertAlmostEqual(a, b, delta=1e-4)
        self.train("four", "--batch", 4)
        self.assertAlmostEqual(column("four", "epoch")[0], 4 / 72, places=4)

    def test_iterations_and_epochs(self):
        self.train("five", "--iterations", 5)
        self.assertEqual(column("five", "step"), [1, 2, 3, 4, 5])
        self.train("epochs", "--epochs", 1.2, "--batch", 16)
        self.assertEqual(column("epochs", "step"), [1, 2, 3, 4, 5, 6], "1.2 epochs of 72 images: 5.4 steps of 16, rounded up")

    def test_learning_rate_schedule(self):
        self.train("rates", "--iterations", 10, "--lr", 0.01, "--warm-up", 4, "--lr-steps", "0.6,8", "--lr-gamma", 0.5)
        expected = [0.0025, 0.005, 0.0075, 0.01, 0.01, 0.01, 0.005, 0.005, 0.0025, 0.0025]
        for found, wanted in zip(column("rates", "learning_rate"), expected):
            self.assertAlmostEqual(found, wanted, places=9)
        self.train("frozen", "--lr", 0)
        self.train("frozen-longer", "--lr", 0, "--iterations", 9)
        self.assertEqual(model(newest("frozen"))[1], model(newest("frozen-longer"))[1])

    def test_momentum(self):
        for steps in [1, 2]:
            for momentum in [0, 0.9]:
                self.train(f"momentum-{momentum}-{steps}", "--momentum", momentum, "--iterations", steps, "--lr-steps", "100")
        self.assert_same("momentum-0-1", "momentum-0.9-1")
        self.assert_differs("momentum-0-2", "momentum-0.9-2")

    def test_schedules(self):
        for schedule, flags, expected in [
            ("fixed", [], [0.01, 0.01, 0.01, 0.01]),
            ("step", ["--lr-step-size", 0.5, "--lr-gamma", 0.1], [0.01, 0.01, 0.001, 0.001]),
            ("exp", ["--lr-gamma", 0.5], [0.01, 0.005, 0.0025, 0.00125]),
            ("inv", ["--lr-gamma", 1, "--lr-power", 2], [0.01, 0.0025, 0.01 / 9, 0.000625]),
            ("poly", ["--lr-power", 2], [0.01, 0.005625, 0.0025, 0.000625]),
            ("sigmoid", ["--lr-step-size", 2, "--lr-gamma=-1"], [0.01 / (1 + math.exp(i - 2)) for i in range(4)]),
            ("cosine", [], [0.005 * (1 + math.cos(math.pi * i / 4)) for i in range(4)]),
            ("cosine", ["--warm-up", 2, "--lr-least", 0.002], [0.005, 0.01, 0.01, 0.006]),
        ]:
            with self.subTest(schedule=schedule):
                self.train(f"schedule-{schedule}", "--iterations", 4, "--schedule", schedule, *flags)
                for found, wanted in zip(column(f"schedule-{schedule}", "learning_rate"), expected):
                    self.assertAlmostEqual(found, wanted, places=8)

    def test_methods(self):
        kept = {method: set(model(f"{self.solved(method)}/last/solver.safetensors")[1]) for method in ["sgd", "nesterov", "adam", "adamw"]}
        self.assertEqual(kept["sgd"], kept["nesterov"])
        self.assertEqual(kept["adam"], kept["sgd"] | {f"{name}.square" for name in kept["sgd"]})
        self.assertEqual(kept["adam"], kept["adamw"])
        self.assert_differs("solver-sgd", "solver-nesterov")
        # The first step of Adam has the length of the rate, whatever the gradient is.
        def moved(*flags):
            once = model(newest(self.solved("adam", "--iterations", 1, "--weight-decay", 0, *flags)))[1]["fc5.weight"][1]
            lengths = sorted(abs(a - b) for a, b in zip(once, start))
            return lengths[len(lengths) // 2]

        self.train("unmoved", "--lr", 0, "--iterations", 1)
        start = model(newest("unmoved"))[1]["fc5.weight"][1]
        self.assertAlmostEqual(moved(), 0.001, delta=1e-5)
        self.assertAlmostEqual(moved("--beta2", 0.5), 0.001, delta=1e-5)
        self.assertLess(moved("--epsilon", 1), 1e-4)
        self.assert_differs("solver-adam", self.solved("adam", "--beta2", 0.5))

    def test_the_decay_of_adamw_does_not_depend_on_the_gradient(self):
        free, decayed = (model(newest(self.solved("adamw", "--iterations", 1, "--weight-decay", decay)))[1] for decay in [0, 0.5])
        self.train("adamw-start", "--lr", 0, "--iterations", 1)
        start = model(newest("adamw-start"))[1]["fc5.weight"][1]
        for w, a, b in zip(start, free["fc5.weight"][1], decayed["fc5.weight"][1]):
            self.assertAlmostEqual(a - b, 0.001 * 0.5 * w, delta=1e-7)
        self.refused_training(2, ["--method", "adamw", "--regularization", "l1"], "--regularization", "l2")

    def solved(self, method, *flags):
        out = "-".join(["solver", method, *(str(flag) for flag in flags)])
        self.train(out, "--method", method, "--lr", 0.001, *flags)
        return out

    def test_clipped_gradients(self):
        self.train("clip-none", "--clip-norm", 1e6)
        self.assert_same("clip-none", "base")
        self.train("clip-start", "--lr", 0, "--iterations", 1)
        before = model(newest("clip-start"))[1]
        lengths = []
        for clip_norm in [1e-3, 2e-3]:
            self.train(f"clip-{clip_norm}", "--clip-norm", clip_norm, "--lr", 100, "--weight-decay", 0, "--iterations", 1)
            after = model(newest(f"clip-{clip_norm}"))[1]
            lengths.append(math.sqrt(sum((a - b) ** 2 for name in before for a, b in zip(before[name][1], after[name][1]))))
        self.assertAlmostEqual(lengths[1] / lengths[0], 2, delta=1e-3)
        # Biases have twice the rate.
        self.assertGreater(lengths[0], 0.999 * 100 * 1e-3)
        self.assertLess(lengths[0], 2.001 * 100 * 1e-3)

    def test_another_method_does_not_go_on(self):
        self.train("method", "--method", "adam", "--iterations", 2)
        self.assertIn('method = "adam"', read("method/config.toml"))
        self.refused(2, train_arguments("method", "--iterations", 3, "--resume", "auto"), "solver adam but now it is sgd", "--method")
        self.ok(*train_arguments("method", "--method", "adam", "--iterations", 3, "--resume", "auto"))

    def test_weight_decay(self):
        for decay in [0, 0.5]:
            self.train(f"decay-{decay}", "--weight-decay", decay, "--iterations", 1)
        free, decayed = (model(newest(f"decay-{decay}"))[1]["fc5.weight"][1] for decay in [0, 0.5])
        # w' = w - lr (g + decay w), so that the difference is lr decay w, and the norms are near
        # |w| and (1 - lr decay) |w|.
        self.assertAlmostEqual(norm([a - b for a, b in zip(free, decayed)]) / norm(free), 0.01 * 0.5, delta=1e-3)
        self.assertLess(norm(decayed), norm(free))
        self.train("decay-l1", "--weight-decay", 0.5, "--regularization", "l1", "--iterations", 1)
        for a, b in zip(free, model(newest("decay-l1"))[1]["fc5.weight"][1]):
            self.assertAlmostEqual(abs(a - b), 0.01 * 0.5, delta=1e-6, msg="by the sign")


class Run(Train):
    def test_out_holds_what_is_promised(self):
        result = self.train("deep/er/run")
        names = set(os.listdir(path("deep/er/run")))
        self.assertLessEqual({"config.toml", "environment.json", "train.log", "metrics.csv", "validation.csv", "report.html", "last"}, names)
        self.assertEqual(set(os.listdir(path("deep/er/run/last"))),
                         {"MANIFEST.json", "config.toml", "model.safetensors", "solver.safetensors", "state.json"})  # fmt: skip
        self.assertRegex(result.out, r"^Trained 3 of 3 steps, loss .* deep/er/run/step_00000003/model.safetensors, report deep/er/run/report.html\n$")
        self.assertIn("<svg", read("deep/er/run/report.html"))
        self.assertEqual([line[20:] for line in read("deep/er/run/train.log").splitlines()], [line[20:] for line in result.err.splitlines()])

    def test_a_terminal_shows_a_bar_and_the_time_left(self):
        screen, terminal = pty.openpty()
        process = harness.start(*train_arguments("seen", "--iterations", 200, "--checkpoint-every", 20), stdout=terminal, stderr=terminal)
        os.close(terminal)
        shown = b""
        try:
            while chunk := os.read(screen, 65536):
                shown += chunk
        except OSError:  # Linux reports a closed other side like this
            pass
        os.close(screen)
        self.assertEqual(harness.finish(process).code, 0)
        self.assertRegex(shown.decode(), r"\r\x1b\[Ktraining +\[#* *\] +\d+%  \d+:\d\d left  loss \d")
        self.assertNotIn("\r", read("seen/train.log"))

    def test_first_lines_and_status_line(self):
        log = read("base/train.log")
        self.assertRegex(log, r"amnet \d+\.\d+\.\d+ \(\S+\), GCC|Clang .*, (AVX-512|AVX2|AVX|SSE2|NEON|scalar), cpu with 1 thread")
        self.assertRegex(log, r"Data: 72 images of 12 people under faces, 112x96 bgr, mean 127.5, seed 1")
        self.assertRegex(log, r"Memory: \d+ MB in all = parameters ")
        self.assertRegex(log, r"Speed [\d.]+ samples/sec  Loss [\d.]+  Accuracy [\d.]+%  TargetCosine -?[\d.]+  FeatureNorm [\d.]+  "
                              r"LearningRate 0\.01  Epoch 0\.11  Step 1/3  Wait [\d.]+%  Required ")  # fmt: skip
        self.assertIn("saved step_00000003", log)

    def test_the_same_bits_for_any_number_of_threads_and_workers(self):
        self.train("bits", "--iterations", 20, "--depth", 10, "--batch", 12, "--seed", 5)
        for flags in [["--threads", 2], ["--threads", 4, "--workers", 3]]:
            self.train("bits-again", "--iterations", 20, "--depth", 10, "--batch", 12, "--seed", 5, *flags)
            self.assertEqual(environment("bits-again")["threads"], flags[1])
            self.assert_same("bits", "bits-again")
        self.assertIn("\nworkers = 3\n", read("bits-again/config.toml"))

    def test_seed(self):
        self.train("seeded", "--seed", 2)
        self.assert_differs("seeded", "base")
        self.assertEqual(environment("seeded")["seed"], 2)

    def test_log_every(self):
        self.train("sparse", "--log-every", 4, "--iterations", 10)
        self.assertEqual(column("sparse", "step"), [4, 8, 10])
        self.train("dense", "--iterations", 10)
        self.assertAlmostEqual(column("sparse", "loss")[0], sum(column("dense", "loss")[:4]) / 4, places=3)

    def test_checkpoints(self):
        self.train("kept", "--iterations", 10, "--checkpoint-every", 2, "--keep-checkpoints", 2)
        self.assertEqual(checkpoints("kept"), ["step_00000008", "step_00000010"])
        self.assertEqual(os.readlink(path("kept/last")), "step_00000010")
        self.assertEqual(re.findall(r"saved step_(\d+)", read("kept/train.log")), [f"{step:08}" for step in [2, 4, 6, 8, 10]])
        self.train("all", "--iterations", 10, "--checkpoint-every", 3, "--keep-checkpoints", 99)
        self.assertEqual(checkpoints("all"), [f"step_{step:08}" for step in [3, 6, 9, 10]])

    def test_verification_while_training(self):
        verify = ["--val-pairs", "pairs.txt", "--val-root", "faces", "--iterations", 10, "--keep-checkpoints", 1]
        self.train("verified", *verify, "--val-every", 4)
        self.assertEqual(validated_steps("verified"), [4, 8, 10])
        log = read("verified/train.log")
        self.assertEqual(len(re.findall(r"\[val\]\[\d+\] Accuracy [\d.]+\+-[\d.]+%  TAR@FAR=1e-2 [\d.]+%  TAR@FAR=1e-3 [\d.]+%  Best [\d.]+% @\d+", log)), 3)
        best = int(re.findall(r"Best [\d.]+% @(\d+)", log)[-1])
        self.assertEqual(os.readlink(path("verified/best")), f"step_{best:08}", "kept although only one is to be kept")
        self.assertEqual(checkpoints("verified"), sorted({f"step_{best:08}", "step_00000010"}))
        self.train("never", *verify, "--val-every", 0)
        self.assertEqual(validated_steps("never"), [])
        self.train("epochs", *verify)
        self.assertEqual(validated_steps("epochs"), [9, 10], "once an epoch of 9 steps, and at the end")
        self.assert_same("never", "verified", ["model.safetensors"])

    def test_protocol(self):
        for protocol in ["amsoftmax", "sphereface"]:
            self.train(protocol, "--val-pairs", "pairs.txt", "--val-root", "faces", "--protocol", protocol)
            self.ok("eval", "--model", f"{protocol}/last", "--pairs", "pairs.txt", "--root", "faces", "--protocol", protocol, "--json", "v.json")
            row = read(f"{protocol}/validation.csv").splitlines()[-1].split(",")
            evaluated = json.loads(read("v.json"))
            self.assertEqual(row[:3], ["3", f"{evaluated['accuracy_mean']:.4f}", f"{evaluated['accuracy_std']:.4f}"])

    def test_init_from(self):
        write("few.txt", "".join(f"{image_of(i, j)} {i}\n" for i in range(5) for j in range(4)))
        self.train("tuned", "--train-list", "few.txt", "--init-from", "base", "--lr", 0)
        log = read("tuned/train.log")
        self.assertIn("Started from base/step_00000003/model.safetensors; drawn anew: fc6.weight.", log)
        before, after = model(newest("base"))[1], model(newest("tuned"))[1]
        self.assertEqual(before["conv1_1.weight"], after["conv1_1.weight"])
        self.assertEqual(before["fc5.weight"], after["fc5.weight"])
        self.assertEqual(after["fc6.weight"][0], [5, 16])
        self.train("continued", "--init-from", newest("base"), "--lr", 0)
        self.assertEqual(before["fc6.weight"], model(newest("continued"))[1]["fc6.weight"])
        self.refused_training(4, ["--init-from", "nothing"], "nothing")
        self.refused_training(3, ["--init-from", "base", "--embedding", 24], "fc5")


class NonFinite(Train):
    def test_a_run_that_diverges_stops_at_the_step(self):
        # A rate that is far too large shows in the next loss; the largest rate of all shows in the
        # weights, while their loss was still finite.
        for name, flags in {"loss": ["--lr", 1e20, "--iterations", 30], "saved": ["--lr", 1e20, "--checkpoint-every", 1],
                            "weights": ["--lr", 1e38, "--weight-decay", 1000, "--iterations", 1]}.items():  # fmt: skip
            with self.subTest(name=name):
                out = f"diverged-{name}"
                result = self.refused(5, train_arguments(out, *flags), "not finite", "non_finite_batch.json")
                dump = json.loads(read(f"{out}/non_finite_batch.json"))
                self.assertEqual(len(dump["images"]), 8)
                for one in dump["images"]:
                    self.assertRegex(one["image"], r"^faces/list.txt:\d+: faces/id_")
                self.assertRegex(dump["first_non_finite"], r"\w")
                self.assertIn(dump["first_non_finite"], result.error[0])
                self.assertIn(f"Step {dump['step']} ", result.error[0])
                last = column(out, "step")[-1] if metrics(out) else 0
                self.assertIn(dump["step"] - last, [0, 1], "the step that failed follows the last line of the table, or is its")
                self.assertIn(result.error[0][len("train_face: ") :], read(f"{out}/train.log"))
                if name == "weights":
                    self.assertEqual((dump["step"], checkpoints(out)), (1, []))
                for checkpoint in checkpoints(out):
                    for tensor, (_, values) in model(f"{out}/{checkpoint}/model.safetensors")[1].items():
                        self.assertTrue(all(map(math.isfinite, values)), f"{tensor} of {checkpoint}")


if __name__ == "__main__":
    harness.main()
