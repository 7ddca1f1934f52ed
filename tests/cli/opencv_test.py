#!/usr/bin/env python3
"""An independent reader of Caffe's files, OpenCV's, gives the embeddings that an imported deploy net gives, from the same images.

Skipped where Python has no module cv2 (opencv-python-headless below version 5), or where the shared data directory is absent.
"""

import os
import unittest

import harness
from harness import CliTest, faces, image_of, path, write  # fmt: skip

try:
    import cv2
    import numpy
except ImportError:
    cv2 = None

SHARED = os.environ.get("AMNET_SHARED", os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../shared"))


def layers_of(prototxt):
    """The texts of the layers, `layer { … }`, of a net."""
    layers, depth, begin = [], 0, None
    for i, character in enumerate(prototxt):
        if character == "{":
            if depth == 0:
                begin = prototxt.rindex("layer", 0, i)
            depth += 1
        elif character == "}":
            depth -= 1
            if depth == 0:
                layers.append(prototxt[begin : i + 1])
    return layers


def deploy_of(prototxt):
    """The net up to fc5, behind an input of images."""
    text = 'name: "deploy"\nlayer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 112 dim: 96 } } }\n'
    for layer in layers_of(prototxt)[1:]:
        text += layer + "\n"
        if 'name: "fc5"' in layer:
            return text
    raise AssertionError("the net has no fc5")


@unittest.skipUnless(cv2, "SKIPPED: this Python has no module cv2")
@unittest.skipUnless(os.path.isdir(SHARED), "SKIPPED: the shared data directory is absent (set AMNET_SHARED)")
class OpenCv(CliTest):
    def test_embeddings_agree(self):
        faces()
        weights = f"{SHARED}/golden/face_small.caffemodel"
        with open(f"{SHARED}/golden/face_small_train.prototxt") as file:
            write("deploy.prototxt", deploy_of(file.read()))
        names = [image_of(i, j) for i in range(4) for j in range(3)]
        write("some.txt", "".join(f"{name}\n" for name in names))
        # OpenCV decodes with the same libjpeg; its numbers come from the pixels that it decodes
        # itself
        self.ok("import", "--net", "deploy.prototxt", "--weights", weights, "--mean", 128, "--pixel-scale", 0.0078125, "--out", "imported.safetensors")
        self.ok("extract", "--model", "imported.safetensors", "--root", "faces", "--list", "some.txt", "--flip", "none", "--out", "ours.npy")
        ours = numpy.load(path("ours.npy"))
        net = cv2.dnn.readNetFromCaffe(path("deploy.prototxt"), weights)
        theirs = []
        for name in names:
            image = cv2.imread(path("faces", name), cv2.IMREAD_COLOR)
            net.setInput(cv2.dnn.blobFromImage(image, 0.0078125, (96, 112), (128, 128, 128), swapRB=False))
            theirs.append(net.forward("fc5").reshape(-1))
        theirs = numpy.stack(theirs)
        self.assertEqual(ours.shape, theirs.shape)
        worst = abs(ours - theirs).max() / abs(theirs).max()
        print(f"OpenCV {cv2.__version__}: embeddings differ by {worst:.1e} of the largest")
        self.assertLessEqual(worst, 1e-4)


if __name__ == "__main__":
    harness.main()
