#!/usr/bin/env python3
"""The output of inspect for model files: current ones, older ones, and files of other programs."""

import json
import os
import re
import shutil
import struct

import harness
from harness import CliTest, described, faces, model, newest, path, read, write
from init_from_test import rename

FIXTURES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "model", "fixtures")


class Inspect(CliTest):
    @classmethod
    def setUpClass(cls):
        faces()
        cls().train("run", "--channel-order", "rgb", "--mean", 120)

    def sections(self, *arguments):
        """{title: [lines]} of the output; the first line is under ""."""
        found, title = {"": []}, ""
        for line in self.ok("inspect", *arguments).out.splitlines():
            if line and not line.startswith(" "):
                title = line if found[""] else ""
                found.setdefault(title, []).extend([line] if title == "" else [])
            elif line:
                found[title].append(line.strip())
        return found

    def test_a_checkpoint_of_ours(self):
        said = self.sections("run")
        self.assertEqual(said[""], ["run/step_00000003/model.safetensors: a net of 14 layers, with what trains it"])
        self.assertEqual([line.split() for line in said["Inputs"]], [["data", "(N,112,96,3)", "activations"], ["labels", "(N)", "i64"]])
        roles = {re.split("  +", line)[0]: re.split("  +", line)[1:] for line in said["Roles"]}
        self.assertEqual(roles, {"image": ["data", "112x96 (height x width), rgb, (pixel - 120) * 0.0078125"],
                                 "labels": ["labels", "(N)"], "embedding": ["fc5", "(N,16)"], "loss": ["loss", "(1)"],
                                 "metric: accuracy": ["accuracy", "(1)"], "class weights": ["fc6.weight", "(12,16)"]})  # fmt: skip
        layers = {line.split()[0]: line for line in said["Layers"]}
        self.assertEqual(len(layers), 1 + 14)
        self.assertRegex(layers["conv1_1"], r"conv2d +data +\(N,56,48,4\) +112 +outputs 4, kernel 3x3, stride 2x2, pad 1x1$")
        self.assertRegex(layers["fc6"], r"fully_connected +norm1 +\(N,12\) +192 +outputs 12, with_bias false, row_norm projected$")
        self.assertRegex(layers["loss"], r"softmax_cross_entropy +fc6, labels +\(1\) +scale 30, margin 0.35$")
        tensors = model(newest("run"))[1]
        values = sum(len(numbers) for _, numbers in tensors.values())
        parameters = "\n".join(said["Parameters"])
        self.assertRegex(parameters, rf"in the file +{len(tensors)} tensors +{4 * values:,} bytes")
        self.assertRegex(parameters, rf"learned +{values:,} values")
        self.assertEqual(said["Other metadata"], ["amnet.step  3"])
        for other in ["run/last", newest("run")]:
            self.assertEqual(self.sections(other)["Layers"], said["Layers"])

    def test_json(self):
        printed = self.ok("inspect", newest("run"), "--json").out
        self.assertEqual(printed, model(newest("run"))[0]["amnet.net"] + "\n")
        self.assertEqual(json.loads(printed), described(newest("run")))
        self.refused(3, ["inspect", "run/last/solver.safetensors", "--json"], "solver.safetensors", "nothing of a net", "--json")

    def test_a_file_of_before(self):
        for loss, more in {"amsoftmax": ["fc6.weight"], "softmax": ["fc6.bias", "fc6.weight"], "normface": ["fc6.weight", "scale.scale"]}.items():
            said = self.sections(os.path.join(FIXTURES, loss))
            self.assertIn("a net of 10 layers, up to the embedding", said[""][0])
            self.assertRegex(said["Roles"][0], r"image +data +32x32 \(height x width\), rgb, \(pixel - 120\) \* 0.0078125")
            self.assertRegex(said["Roles"][1], r"embedding +fc5 +\(N,8\)")
            self.assertEqual([line.split()[0] for line in said["Tensors that the net does not have"]], more)
            self.assertEqual(said["Other metadata"], ["amnet.step  4"])
            about = json.loads(self.ok("inspect", os.path.join(FIXTURES, loss), "--json").out)
            self.assertEqual((about["roles"]["embedding"], about["roles"]["loss"], about["layers"][-1]["name"]), ("fc5", "", "fc5"))

    def test_files_of_others(self):
        said = self.sections("run/last/solver.safetensors")
        self.assertIn("tensors, and no word of a net", said[""][0])
        (title,) = [title for title in said if title.startswith("Tensors: ")]
        self.assertEqual(len(said[title]), len(model(newest("run"))[1]))
        self.assertIn("conv1_1.weight  F32  (4,3,3,3)    432 bytes", said[title])
        header = b'{"__metadata__":{"format":"pt"},"half":{"dtype":"F16","shape":[2,1,1,1,3],"data_offsets":[0,12]}}'
        write("half.safetensors", len(header).to_bytes(8, "little") + header + bytes(12))
        said = self.sections("half.safetensors")
        self.assertEqual(said["Tensors: 1, 12 bytes"], ["half  F16  (2,1,1,1,3)  12 bytes"])
        self.assertEqual(said["Other metadata"], ["format  pt"])

    def test_prototxts(self):
        write("net.txt", 'name: "n"\nforce_backward: true\nlayers { name: "conv" type: CONVOLUTION bottom: "data" top: "conv" '
              "blobs_lr: 1 blobs_lr: 2 include { phase: TRAIN } convolution_param { num_output: 8 kernel_size: 3 pad: 1 pad: 2 } }\n")
        said = self.sections("net.txt")
        self.assertEqual(said[""], ["net.txt: Caffe's net 'n', 1 layer"])
        self.assertEqual(said["Net"], ["force_backward  true"])
        self.assertEqual([re.split("  +", line) for line in said["Layers"]],
                         [["name", "type", "reads", "gives", "when", "options"],
                          ["conv", "Convolution", "data", "conv", "TRAIN",
                           "param [{lr_mult 1}, {lr_mult 2}], convolution_param {num_output 8, pad [1, 2], kernel_size 3}"]])
        write("solver.txt", 'net: "net.txt" base_lr: 0.1 test_iter: 10 test_iter: 20')
        said = self.sections("solver.txt")
        self.assertEqual(said[""], ["solver.txt: Caffe's solver, 3 fields"])
        self.assertEqual([line.split(None, 1) for line in said["Fields"]], [["test_iter", "[10, 20]"], ["base_lr", "0.1"], ["net", "net.txt"]])
        write("wrong.txt", "layer {\n  typ: 3\n}")
        self.refused(3, ["inspect", "wrong.txt"], "wrong.txt:2: LayerParameter has no field 'typ'; it has type, top, ")
        self.refused(3, ["inspect", "net.txt", "--json"], "net.txt", "--json")

    def test_binary_files_of_caffe(self):
        def field(number, content):
            tag = [number << 3 | 2] if number < 16 else [number << 3 & 0x7F | 0x82, number >> 4]
            return bytes([*tag, len(content)]) + content

        def blob(values, *extents):
            return field(5, struct.pack(f"<{len(values)}f", *values)) + field(7, field(1, bytes(extents)))

        conv = field(1, b"conv") + field(2, b"Convolution") + field(7, blob([1, 2, 3, 4], 2, 2)) + field(7, blob([5], 1))
        write("weights", field(1, b"n") + field(100, field(1, b"data") + field(2, b"Input")) + field(100, conv))
        said = self.sections("weights")
        self.assertEqual(said[""], ["weights: weights of Caffe's net 'n', 2 layers"])
        self.assertEqual([re.split("  +", line) for line in said["Layers"]],
                         [["name", "type", "blobs", "values"], ["data", "Input"], ["conv", "Convolution", "(2,2), (1)", "5"]])
        self.assertEqual(said["Parameters"], ["2 blobs in 1 layer  5 values  20 bytes"])
        write("state", bytes([8, 6]) + field(2, b"a.caffemodel") + field(3, blob([1, 2], 2)) + bytes([32, 1]))
        said = self.sections("state")
        self.assertEqual(said[""], ["state: the state of Caffe's solver after 6 steps"])
        self.assertEqual([line.split() for line in said["Fields"]], [["iter", "6"], ["learned_net", "a.caffemodel"], ["current_step", "1"]])
        self.assertEqual(said["History: 1 blob, 2 values, 8 bytes"], ["0  (2)  2"])
        write("mean", blob([1, 2, 3, 5], 2, 1, 2))
        said = self.sections("mean")
        self.assertEqual(said[""], ["mean: Caffe's mean image (2,1,2) (channels, height, width)"])
        self.assertEqual(said["Channels"], ["0  mean 1.5  1 to 2", "1  mean 4    3 to 5"])
        write("weights", read("weights", "rb")[:-1])
        self.refused(3, ["inspect", "weights"], "weights: the field at byte", "cut short or damaged")

    def test_what_is_missing_or_unknown(self):
        rename(newest("run"), "part.safetensors", lambda name: None if name == "fc5.bias" else name + "x" if name == "fc6.weight" else name)
        said = self.sections("part.safetensors")
        self.assertIn("missing      fc5.bias, fc6.weight", said["Parameters"])
        self.assertEqual(said["Tensors that the net does not have"][0].split()[0], "fc6.weightx")
        data = read(newest("run"), "rb")
        write("own.safetensors", data.replace(b'\\"type\\":\\"prelu\\"', b'\\"type\\":\\"swish\\"'))
        result = self.ok("inspect", "own.safetensors")
        self.assertRegex(result.out, r"\n  relu1_1 +swish +conv1_1 +shared false")
        self.assertRegex(result.out, r"\nShapes are not known here: layer 'relu1_1': there is no layer type 'swish'")
        shutil.copytree(path("run"), path("damaged"), symlinks=True)
        harness.flip_byte("damaged/last/model.safetensors")
        self.refused(3, ["inspect", "damaged/last"], "model.safetensors", "checksum")
        self.refused(3, ["inspect", "faces/list.txt"], "list.txt", "not a safetensors file")
        self.refused(4, ["inspect", "absent"], "absent")
        self.refused(2, ["inspect"], "FILE", "inspect --help")


if __name__ == "__main__":
    harness.main()
