#!/usr/bin/env python3
"""Frozen parameters and learning rates of single ones: by patterns of names, in new, fine-tuned and resumed runs."""

import harness
from harness import CliTest, faces, model, newest, read, train_arguments, write

NET = """
layer { name: "data" type: "ImageData" top: "data" top: "label"
        transform_param { mean_value: 128 scale: 0.0078125 } image_data_param { batch_size: 8 } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
        convolution_param { num_output: 4 kernel_size: 3 stride: 8 weight_filler { type: "xavier" } } }
layer { name: "bn1" type: "BatchNorm" bottom: "conv1" top: "bn1" }
layer { name: "relu1" type: "PReLU" bottom: "bn1" top: "bn1" }
layer { name: "fc5" type: "InnerProduct" bottom: "bn1" top: "fc5"
        inner_product_param { num_output: 8 weight_filler { type: "xavier" } } }
layer { name: "fc6" type: "InnerProduct" bottom: "fc5" top: "fc6"
        inner_product_param { num_output: 12 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc6" bottom: "label" top: "loss" }
"""
SOLVER = 'net: "net.prototxt" base_lr: 0.01 lr_policy: "fixed" max_iter: 3 momentum: 0.9 display: 1\n'


class FineTuning(CliTest):
    @classmethod
    def setUpClass(cls):
        faces()
        cls().train("base")

    def test_frozen_parameters_stay_and_have_no_momentum(self):
        self.train("tuned", "--init-from", "base", "--freeze", "conv*", "--freeze", "relu1_1.*", "--freeze", "fc5.bia?")
        before, after = (model(newest(out))[1] for out in ("base", "tuned"))
        kept = {name for name in before if name.startswith(("conv", "relu1_1.")) or name == "fc5.bias"}
        self.assertEqual({name for name in before if before[name] == after[name]}, kept)
        self.assertEqual(set(model("tuned/last/solver.safetensors")[1]), set(before) - kept)
        log = read("tuned/train.log")
        self.assertIn(f"Frozen: {len(kept)} of {len(before)} parameters, ", log)
        self.assertIn("(conv1_1, relu1_1, ", log)
        self.assertIn('freeze = ["conv*", "relu1_1.*", "fc5.bia?"]', read("tuned/config.toml"))
        self.assertNotIn("Frozen", read("base/train.log"))
        # One flag with commas, and the file, give the same run.
        self.train("commas", "--init-from", "base", "--freeze", "conv*,relu1_1.*,fc5.bia?")
        self.assert_same("tuned", "commas")
        self.ok("train", "--config", "tuned/config.toml", "--out", "from-file")
        self.assert_same("tuned", "from-file")

    def test_another_rate_is_that_of_the_whole_run_times_it(self):
        flags = ["--iterations", 1, "--weight-decay", 0]
        self.train("start", *flags, "--lr", 0)
        self.train("plain", *flags)
        self.train("slower", *flags, "--lr-mult", "*=0.125", "--lr-mult", "fc6.*=1,fc5.bias=0.5")
        start, plain, slower = (model(newest(out))[1] for out in ("start", "plain", "slower"))
        factors = {"fc6.weight": 1, "fc5.bias": 0.5}
        for name in start:
            for w, a, b in zip(start[name][1], plain[name][1], slower[name][1]):
                self.assertAlmostEqual(b - w, factors.get(name, 0.125) * (a - w), delta=1e-6, msg=name)
        self.assertIn(f"another learning rate: {len(start) - 1}.", read("slower/train.log"))
        self.assertIn('lr-mult = ["*=0.125", "fc6.*=1", "fc5.bias=0.5"]', read("slower/config.toml"))

    def test_patterns_for_nothing_are_refused_with_the_nearest_names(self):
        self.refused_training(2, ["--freeze", "conv1_1.wieght"], "--freeze: 'conv1_1.wieght'", "nearest are conv1_1.weight")
        self.refused_training(2, ["--lr-mult", "fc7.weight=2"], "--lr-mult: 'fc7.weight'", "nearest are fc")
        self.refused_training(2, ["--freeze", "*"], "--freeze", "nothing is left to learn")
        self.refused_training(2, ["--lr-mult", "fc6.*=0"], "--lr-mult", "above 0", "--freeze")

    def test_a_resumed_run_may_have_others_and_says_so(self):
        self.train("resumed", "--freeze", "conv*")
        result = self.ok(*train_arguments("resumed", "--iterations", 5, "--resume", "auto", "--freeze", "fc5.*", "--lr-mult", "conv*=0.5"))
        self.assertIn('Setting changed since the checkpoint: freeze = ["fc5.*"], was ["conv*"]', result.err)
        self.assertIn('Setting changed since the checkpoint: lr-mult = ["conv*=0.5"], was not set', result.err)
        self.assertIn("Frozen until now, so that its momentum starts at zero: conv1_1.weight, ", result.err)
        # With the same patterns it ends in the bytes of a run that was not stopped.
        flags = ["--freeze", "conv*", "--lr-mult", "fc5.*=0.5", "--schedule", "fixed"]
        self.train("whole", "--iterations", 5, *flags)
        self.train("part", "--iterations", 2, *flags)
        self.ok(*train_arguments("part", "--iterations", 5, "--resume", "auto", *flags))
        self.assert_same("whole", "part", ("model.safetensors", "solver.safetensors"))

    def test_a_net_of_caffe_whose_batch_norm_stays(self):
        write("net.prototxt", NET)
        write("solver.prototxt", SOLVER)

        def trained(out, *flags):
            self.ok("train", "--solver", "solver.prototxt", "--root", "faces", "--train-list", "faces/list.txt", "--threads", 1, "--out", out, *flags)
            return model(newest(out))[1]

        free = trained("caffe-free")
        self.assertNotEqual(free["bn1.weight_of_past"][1], (0,))
        frozen = trained("caffe-frozen", "--freeze", "conv1.*", "--freeze", "bn1.*")
        self.assertEqual(frozen["bn1.weight_of_past"][1], (0,))
        self.assertEqual(set(frozen["bn1.running_mean"][1]), {0})
        self.assertNotEqual(frozen["fc5.weight"], free["fc5.weight"])
        self.assertIn("running statistics that stay: of 1 layers", read("caffe-frozen/train.log"))


if __name__ == "__main__":
    harness.main()
