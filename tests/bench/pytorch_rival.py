"""The network of include/amnet/net/sphere_face.h in PyTorch, at its fastest: what compare.py holds amnet against.

    pytorch_rival.py --mode eager|compile|freeze [--precision f32|bf16] [--batch N] [--threads N] [--classes N] [--width W]
                     [--iterations N] [--forward-only] [--json FILE]

Times training steps (forward, backward, SGD with momentum 0.9 and weight decay 5e-4), or embedding with --forward-only, on random
input in host memory. Activations and weights are channels_last. bf16 is torch.autocast. `compile` is torch.compile; `freeze` is
torch.compile with the weights as constants, which lets oneDNN pack them beforehand (embedding only).
Not part of amnet and run by nobody but compare.py: it needs the PyTorch that compare.py installs under build/.
"""
import argparse
import json
import resource
import statistics
import time

import torch
import torch.nn.functional as F
from torch import nn

BLOCKS = (1, 2, 4, 1)  # residual blocks of the 20-layer net
HEIGHT, WIDTH = 112, 96
EMBEDDING = 512
SCALE, MARGIN = 30.0, 0.35  # of AM-Softmax, arXiv 1801.05599
WARM_UP = 3  # the first of them compiles


class Residual(nn.Module):
    """x + two stride-1 convolutions of x, each with its PReLU. They have no bias, as in amnet."""

    def __init__(self, channels):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.relu1 = nn.PReLU(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.relu2 = nn.PReLU(channels)

    def forward(self, x):
        return x + self.relu2(self.conv2(self.relu1(self.conv1(x))))


class SphereFace(nn.Module):
    """(N,3,112,96) to (N,512)."""

    def __init__(self, width):
        super().__init__()
        layers, inputs, height, columns = [], 3, HEIGHT, WIDTH
        for stage, blocks in enumerate(BLOCKS, 1):
            channels = max(1, round(width * (32 << stage)))
            layers += [nn.Conv2d(inputs, channels, 3, stride=2, padding=1), nn.PReLU(channels)]
            layers += [Residual(channels) for _ in range(blocks)]
            inputs, height, columns = channels, (height + 1) // 2, (columns + 1) // 2
        self.body = nn.Sequential(*layers)
        self.fc5 = nn.Linear(inputs * height * columns, EMBEDDING)

    def forward(self, images):
        return self.fc5(self.body(images).flatten(1))


class Training(nn.Module):
    """Images and labels to the AM-Softmax loss."""

    def __init__(self, width, classes):
        super().__init__()
        self.net = SphereFace(width)
        self.weight = nn.Parameter(torch.randn(classes, EMBEDDING) * 0.05)

    def forward(self, images, labels):
        cosines = F.linear(F.normalize(self.net(images)), F.normalize(self.weight))
        margins = torch.full_like(cosines[:, :1], MARGIN)
        return F.cross_entropy(SCALE * cosines.scatter_add(1, labels[:, None], -margins).float(), labels)


def autocast(precision):
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16")


def training_step(arguments):
    model = Training(arguments.width, arguments.classes).to(memory_format=torch.channels_last).train()
    images = random_images(arguments.batch)
    labels = torch.randint(arguments.classes, (arguments.batch,))
    solver = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9, weight_decay=5e-4, fused=True)
    loss_of = torch.compile(model) if arguments.mode == "compile" else model

    def step():
        solver.zero_grad(set_to_none=True)
        with autocast(arguments.precision):
            loss = loss_of(images, labels)
        loss.backward()
        solver.step()
        return loss.item()

    return step


def embedding_step(arguments):
    model = SphereFace(arguments.width).to(memory_format=torch.channels_last).eval()
    images = random_images(arguments.batch)
    embed = model if arguments.mode == "eager" else torch.compile(model, options={"freezing": arguments.mode == "freeze"})
    # Freezing is for no_grad; without it inference_mode is the leaner one.
    without_gradients = torch.no_grad if arguments.mode == "freeze" else torch.inference_mode

    def step():
        with without_gradients(), autocast(arguments.precision):
            return embed(images).sum().item()

    return step


def random_images(batch):
    return (torch.rand(batch, 3, HEIGHT, WIDTH) * 2 - 1).to(memory_format=torch.channels_last)


def restart_peak_memory():
    """Forgets the peak so far, so that the memory of PyTorch's own compiler does not count; False where the system cannot."""
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
        return True
    except OSError:
        return False


def peak_megabytes(restarted):
    if restarted:
        with open("/proc/self/status") as file:
            for line in file:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mode", choices=("eager", "compile", "freeze"), required=True)
    parser.add_argument("--precision", choices=("f32", "bf16"), default="f32")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--classes", type=int, default=10516)
    parser.add_argument("--width", type=float, default=1)
    parser.add_argument("--iterations", type=int, default=10)
    parser.add_argument("--forward-only", action="store_true")
    parser.add_argument("--json")
    arguments = parser.parse_args()
    if arguments.mode == "freeze" and not arguments.forward_only:
        parser.error("--mode freeze needs --forward-only: weights that are constants cannot be trained")

    torch.manual_seed(1)
    torch.set_num_threads(arguments.threads)
    step = embedding_step(arguments) if arguments.forward_only else training_step(arguments)
    begun = time.perf_counter()
    for _ in range(WARM_UP):
        result = step()
    warm_up_seconds = time.perf_counter() - begun
    restarted = restart_peak_memory()
    seconds = []
    for _ in range(arguments.iterations):
        begin = time.perf_counter()
        result = step()
        seconds.append(time.perf_counter() - begin)
    if result != result:
        raise SystemExit("the step's result is not a number, so its time means nothing")

    onednn = [line.split("MKL-DNN ")[1].split(" ")[0] for line in torch.__config__.show().splitlines() if "MKL-DNN v" in line]
    numbers = {
        "images_per_second": arguments.batch / statistics.median(seconds),
        "images_per_second_best": arguments.batch / min(seconds),
        "peak_rss_mb": peak_megabytes(restarted),
        "peak_rss_with_compiling_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "warm_up_seconds": warm_up_seconds,
        "result": result,
        "torch": torch.__version__,
        "onednn": onednn[0] if onednn else "none",
        "capability": torch.backends.cpu.get_cpu_capability(),
        **{key: value for key, value in vars(arguments).items() if key != "json"},
    }
    text = json.dumps(numbers, indent=2)
    print(text)
    if arguments.json:
        with open(arguments.json, "w") as file:
            file.write(text + "\n")


if __name__ == "__main__":
    main()
