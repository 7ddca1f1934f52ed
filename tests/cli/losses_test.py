#!/usr/bin/env python3
"""Every loss: it trains from the command line, goes on from a checkpoint to the same bytes, and the parameter of another is refused."""

import harness
from harness import CliTest, faces, newest, path, read, train_arguments

# Words for each loss that are not its own values.
LOSSES = {
    "softmax": [],
    "normface": ["--learned-scale", "off"],
    "amsoftmax": ["--margin", 0.5, "--centres", 2],
    "arcface": ["--scale", 30, "--centres", 3, "--past-pi", "linear"],
    "combined": ["--scale", 30, "--multiplier", 0.9, "--angle", 0.4, "--margin", 0.15],
    "sphereface": ["--multiplier", 3, "--anneal-base", 100, "--anneal-gamma", 0.2, "--anneal-least", 2],
    "sphereface_r": ["--scale", 30, "--sphereface-r", "v1", "--margin-gradient", "straight_through"],
    "sphereface2": ["--loss-weight", 50, "--sharpness", 2, "--balance", 0.6],
    "curricularface": ["--scale", 30],
    "magface": ["--scale", 30, "--norm-low", 1, "--norm-high", 100, "--margin-low", 0.4, "--margin-high", 0.7, "--norm-penalty", 20],
    "adaface": ["--scale", 30, "--concentration", 0.5, "--statistics-momentum", 0.1],
}
RUN = ["--iterations", 8, "--checkpoint-every", 4, "--lr", 0.003]


class Losses(CliTest):
    def setUp(self):
        faces()

    def test_each_trains_and_goes_on_to_the_same_bytes(self):
        for loss, words in LOSSES.items():
            with self.subTest(loss=loss):
                flags = [*RUN, "--loss", loss, *words]
                whole, resumed, again = f"whole-{loss}", f"resumed-{loss}", f"again-{loss}"
                self.train(whole, *flags)
                self.train(resumed, *flags, "--resume", path(whole, "step_00000004"))
                self.assert_same(resumed, whole, files=("model.safetensors", "solver.safetensors"))
                # The configuration is the command: it has the loss's own parameters, and no others.
                self.ok("train", "--config", path(whole, "config.toml"), "--out", again)
                self.assert_same(again, whole, files=("model.safetensors",))

    def test_running_values_are_in_the_model(self):
        for loss, names in [("curricularface", ["loss.mean"]), ("adaface", ["loss.mean", "loss.deviation"]), ("sphereface2", ["loss.bias"])]:
            with self.subTest(loss=loss):
                self.train(f"kept-{loss}", *RUN, "--loss", loss)
                tensors = harness.model(newest(f"kept-{loss}"))[1]
                for name in names:
                    self.assertIn(name, tensors)
                # They were moved from where they start.
                self.assertNotIn(tensors[names[0]][1][0], (0, 20))

    def test_the_parameter_of_another_loss_is_refused(self):
        for loss, flag, value in [("softmax", "--scale", 30), ("normface", "--margin", 0.3), ("amsoftmax", "--angle", 0.3),
                                  ("arcface", "--concentration", 0.3), ("sphereface", "--scale", 30), ("magface", "--balance", 0.5),
                                  ("adaface", "--margin-rule", "always"), ("arcface", "--feature-norm", "off"),
                                  ("arcface", "--margin-gradient", "reference")]:  # fmt: skip
            with self.subTest(loss=loss, flag=flag):
                self.refused_training(2, ["--loss", loss, flag, value], flag, loss)

    def test_a_preset_has_the_parameters_of_its_own_loss(self):
        self.train("preset", "--preset", "small", "--iterations", 3, "--loss", "arcface")
        config = read("preset/config.toml")
        self.assertIn("scale = 64", config)
        self.assertIn('margin-rule = "always"', config)


if __name__ == "__main__":
    harness.main()
