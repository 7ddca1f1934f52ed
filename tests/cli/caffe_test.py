#!/usr/bin/env python3
"""Training a net of Caffe: its solver and net as they are, its weights and snapshots, what is refused."""

import os
import struct

import harness
from harness import CliTest, faces, finish, image_of, metrics, pairs, path, read, run, start, wait_for_log, write  # fmt: skip

PEOPLE = 12

NET = """name: "little"
layer { name: "data" type: "ImageData" top: "data" top: "label" include { phase: TRAIN }
  transform_param { mean_value: 128 scale: 0.0078125 mirror: true }
  image_data_param { source: "C:/elsewhere/list.txt" root_folder: "C:/elsewhere/" batch_size: 6 shuffle: true } }
layer { name: "data" type: "ImageData" top: "data" top: "label" include { phase: TEST }
  transform_param { mean_value: 128 scale: 0.0078125 }
  image_data_param { source: "C:/elsewhere/val.txt" batch_size: 4 } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1" param { lr_mult: 1 decay_mult: 1 } param { lr_mult: 2 decay_mult: 0 }
  convolution_param { num_output: 4 kernel_size: 3 stride: 4 weight_filler { type: "xavier" } } }
layer { name: "relu1" type: "PReLU" bottom: "conv1" top: "conv1" }
layer { name: "bn1" type: "BatchNorm" bottom: "conv1" top: "conv1" }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1" pooling_param { pool: AVE kernel_size: 4 stride: 4 } }
layer { name: "fc5" type: "InnerProduct" bottom: "pool1" top: "fc5" inner_product_param { num_output: 8 weight_filler { type: "xavier" } } }
layer { name: "norm1" type: "Normalize" bottom: "fc5" top: "norm1" }
layer { name: "fc6" type: "InnerProduct" bottom: "norm1" top: "fc6"
  inner_product_param { num_output: %d normalize: true bias_term: false weight_filler { type: "xavier" } } }
layer { name: "margin" type: "LabelSpecificAdd" bottom: "fc6" bottom: "label" top: "fc6_margin" label_specific_add_param { bias: -0.35 } }
layer { name: "scale" type: "Scale" bottom: "fc6_margin" top: "logits" param { lr_mult: 0 } scale_param { filler { value: 10 } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "logits" bottom: "label" top: "loss" }
layer { name: "accuracy" type: "Accuracy" bottom: "fc6" bottom: "label" top: "accuracy" include { phase: TEST } }
"""

SOLVER = """net: "net.prototxt"
test_iter: 3
test_interval: 5
base_lr: 0.05
lr_policy: "multistep"
gamma: 0.1
stepvalue: 8
max_iter: 12
display: 2
momentum: 0.9
weight_decay: 0.0005
snapshot: 5
snapshot_prefix: "little"
solver_mode: CPU
"""


# --- the wire format of protocol buffers, as far as these files need it ---


def varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def field(number, payload):
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def blob(shape, values):
    dims = b"".join(varint(extent) for extent in shape)
    return field(7, field(1, dims)) + field(5, struct.pack(f"<{len(values)}f", *values))


def caffemodel(layers):
    """layers: (name, type, [(shape, values)])"""
    return field(1, b"little") + b"".join(
        field(100, field(1, name.encode()) + field(2, type.encode()) + b"".join(field(7, blob(*one)) for one in blobs)) for name, type, blobs in layers
    )


def solverstate(step, learned_net, history):
    return varint(1 << 3) + varint(step) + field(2, learned_net.encode()) + b"".join(field(3, blob(*one)) for one in history)


def count(shape):
    product = 1
    for extent in shape:
        product *= extent
    return product


def blobs_of(classes):
    """Every blob of the net, with values that differ."""
    shapes = [("conv1", "Convolution", [(4, 3, 3, 3), (4,)]), ("relu1", "PReLU", [(4,)]), ("bn1", "BatchNorm", [(4,), (4,), (1,)]),
              ("fc5", "InnerProduct", [(8, 4 * 7 * 6), (8,)]), ("fc6", "InnerProduct", [(classes, 8)]), ("scale", "Scale", [(classes,)])]  # fmt: skip
    layers = []
    for name, type, of_layer in shapes:
        layers.append((name, type, [(shape, [0.5 + 0.001 * (i % 7) for i in range(count(shape))]) for shape in of_layer]))
    return layers


class Caffe(CliTest):
    @classmethod
    def setUpClass(cls):
        faces()
        pairs()
        write("net.prototxt", NET % PEOPLE)
        write("solver.prototxt", SOLVER)
        write("list.txt", "".join(f"{image_of(i, j)} {i}\n" for i in range(PEOPLE) for j in range(6)))

    def train_caffe(self, out, *flags, code=0):
        result = run("train", "--solver", "solver.prototxt", "--root", "faces", "--train-list", "list.txt", "--out", out, *flags)
        self.assertEqual(result.code, code, repr(result))
        return result

    def refuses(self, sentence, *flags):
        result = run("train", "--solver", "solver.prototxt", "--root", "faces", "--train-list", "list.txt", "--out", "refused", *flags)
        self.assertIn(result.code, [2, 3], repr(result))
        self.assertIn(sentence, " ".join(result.err.split()), repr(result))
        self.assertFalse(os.path.exists(path("refused/metrics.csv")))

    def test_the_solver_is_the_recipe(self):
        self.train_caffe("whole")
        rows = metrics("whole")
        self.assertEqual([row["step"] for row in rows], [2, 4, 6, 8, 10, 12])
        self.assertEqual([round(row["learning_rate"], 9) for row in rows], [0.05, 0.05, 0.05, 0.05, 0.005, 0.005])
        log = read("whole/train.log")
        self.assertIn("Caffe: solver solver.prototxt, net net.prototxt, arithmetic of the reference code's CPU code", log)
        self.assertIn("is not on this machine: it is not tested; give --test-list", log)
        for setting in ['solver = "solver.prototxt"', "batch = 6", "mean = 128", "lr-steps = [8]", "mirror = true", "checkpoint-every = 5"]:
            self.assertIn(setting, read("whole/config.toml"))
        self.assertNotIn("depth", read("whole/config.toml"))

    def test_settings_override_the_solver(self):
        self.train_caffe("overridden", "--iterations", 3, "--batch", 5, "--lr", 0.01, "--log-every", 1)
        rows = metrics("overridden")
        self.assertEqual([row["step"] for row in rows], [1, 2, 3])
        self.assertEqual(rows[0]["learning_rate"], 0.01)

    def test_the_net_is_tested(self):
        self.train_caffe("tested", "--test-list", "list.txt", "--val-pairs", "pairs.txt", "--val-root", "faces")
        rows = [line.split(",") for line in read("tested/test.csv").splitlines()]
        self.assertEqual(rows[0][0], "step")
        self.assertEqual({"accuracy", "loss"}, set(rows[0][1:]))
        self.assertEqual([row[0] for row in rows[1:]], ["0", "5", "10"])
        self.assertIn("Test of step 5 on 3 batches of 4:", read("tested/train.log"))
        self.assertRegex(read("tested/train.log"), r"\[val\]\[12\]")

    def test_a_stopped_run_ends_in_the_same_bytes(self):
        flags = ["--iterations", 60, "--checkpoint-every", 10, "--log-every", 2, "--test-list", "list.txt"]
        self.train_caffe("straight", *flags)
        process = start("train", "--solver", "solver.prototxt", "--root", "faces", "--train-list", "list.txt", "--out", "killed", *flags)
        wait_for_log("killed", "Step 16/", process)
        process.kill()
        finish(process)
        self.train_caffe("killed", *flags, "--resume", "auto")
        self.assert_same("killed", "straight")
        self.assertEqual(read("killed/test.csv"), read("straight/test.csv"))
        self.assertEqual([line.split(",")[0] for line in read("killed/test.csv").splitlines()[1:]], [str(step) for step in range(0, 61, 5)])

    def test_weights_of_another_head(self):
        write("trained.caffemodel", caffemodel(blobs_of(7)))
        self.train_caffe("tuned", "--weights", "trained.caffemodel", "--iterations", 1)
        log = read("tuned/train.log")
        self.assertIn("Took the weights of trained.caffemodel; of another shape there and drawn anew here: fc6, scale.", log)

    def test_a_snapshot_goes_on(self):
        write("little_iter_4.caffemodel", caffemodel(blobs_of(PEOPLE)))
        history = [(shape, [0.0] * count(shape)) for _, _, blobs in blobs_of(PEOPLE) for shape, _ in blobs]
        write("little_iter_4.solverstate", solverstate(4, "C:/elsewhere/little_iter_4.caffemodel", history))
        self.train_caffe("continued", "--snapshot", "little_iter_4.solverstate", "--log-every", 1)
        self.assertIn("Continues after step 4 of little_iter_4.solverstate.", read("continued/train.log"))
        self.assertEqual([row["step"] for row in metrics("continued")], list(range(5, 13)))

    def test_what_is_refused(self):
        write("eleven.prototxt", NET % 11)
        self.refuses("eleven.prototxt: the net has 11 classes but the list has 12", "--net", "eleven.prototxt")
        self.refuses("--depth: the network and its loss are those of net.prototxt; leave --depth out.", "--depth", 10)
        self.refuses("--preset, --solver: both are a whole recipe; give one of the two.", "--preset", "small")
        write("gram.prototxt", (NET % PEOPLE).replace('"Normalize"', '"Gram"'))
        self.refuses("the type 'Gram'", "--net", "gram.prototxt")
        write("crop.prototxt", (NET % PEOPLE).replace("mirror: true", "mirror: true crop_size: 90"))
        self.refuses("a run of amnet takes images as they are, without crop_size; cut them before.", "--net", "crop.prototxt")
        write("short.caffemodel", caffemodel(blobs_of(PEOPLE))[:-40])
        self.refuses("short.caffemodel", "--weights", "short.caffemodel")
        write("other.solverstate", solverstate(4, "little_iter_4.caffemodel", []))
        write("little_iter_4.caffemodel", caffemodel(blobs_of(PEOPLE)))
        self.refuses("it has 0 histories but the net", "--snapshot", "other.solverstate")

    def test_import_makes_a_model_file(self):
        deploy = "\n".join(line for line in (NET % PEOPLE).split("layer {")[0:1])
        layers = ["layer {" + part for part in (NET % PEOPLE).split("layer {")[3:7]] + ["layer {" + (NET % PEOPLE).split("layer {")[7]]
        write("deploy.prototxt", deploy + 'input: "data" input_dim: 1 input_dim: 3 input_dim: 112 input_dim: 96\n' + "".join(layers))
        write("trained.caffemodel", caffemodel(blobs_of(PEOPLE)))
        made = self.ok("import", "--net", "deploy.prototxt", "--weights", "trained.caffemodel", "--mean", 128, "--pixel-scale", 0.0078125,
                       "--out", "imported.safetensors")  # fmt: skip
        self.assertIn("embedding fc5: imported.safetensors; not in the net and left out: fc6, scale", made.out + made.err)
        looked = self.ok("inspect", "imported.safetensors").out
        self.assertIn("112x96", looked)
        self.ok("extract", "--model", "imported.safetensors", "--root", "faces", "--out", "embeddings.npy")
        self.ok("eval", "--model", "imported.safetensors", "--pairs", "pairs.txt", "--root", "faces")
        write("less.caffemodel", caffemodel(blobs_of(PEOPLE)[1:]))
        bad = run("import", "--net", "deploy.prototxt", "--weights", "less.caffemodel", "--out", "never.safetensors")
        self.assertEqual(bad.code, 3, repr(bad))
        self.assertIn("less.caffemodel: it has no weights for conv1/0, conv1/1, which the net of deploy.prototxt needs.", bad.err)
        bad = run("import", "--net", "net.prototxt", "--weights", "trained.caffemodel", "--out", "never.safetensors")
        self.assertIn("it takes the size of its images from the files that it reads", bad.err)
        bad = run("import", "--net", "deploy.prototxt", "--weights", "trained.caffemodel", "--embedding", "fc9", "--out", "never.safetensors")
        self.assertIn("--embedding: the net of deploy.prototxt has no blob 'fc9'.", bad.err)
        self.assertFalse(os.path.exists(path("never.safetensors")))

    def test_inspect_names_what_the_files_hold(self):
        self.assertIn("LabelSpecificAdd", self.ok("inspect", "net.prototxt").out)
        self.assertIn("multistep", self.ok("inspect", "solver.prototxt").out)


if __name__ == "__main__":
    harness.main()
