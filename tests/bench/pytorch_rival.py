"""The network of include/amnet/faces/sphere_face.h in PyTorch, at its fastest: compare.py and gpu.py compare amnet with it.

    pytorch_rival.py --mode eager|compile|freeze|reduce-overhead|max-autotune [--device cpu|cuda] [--precision f32|tf32|bf16] [--batch N]
                     [--threads N] [--classes N] [--width W] [--iterations N] [--steps-per-wait N] [--forward-only] [--faces FOLDER] [--json FILE]

Times training steps (forward, backward, SGD with momentum 0.9 and weight decay 5e-4), or embedding with --forward-only, on random input in
the device's memory; or training steps on the JPEGs under FOLDER, which worker processes decode in parallel. Activations and weights are
channels_last. bf16 is torch.autocast; for embedding on a GPU the weights are bf16 as well, so that they are not rounded again in every
call. `compile` is torch.compile; `freeze` is torch.compile with the weights as constants, which lets oneDNN pack them beforehand
(embedding on a CPU only); the other two are torch.compile's modes, both with CUDA graphs. Not part of amnet and run only by those two
programs: it needs their PyTorch.
"""
import argparse
import contextlib
import json
import resource
import statistics
import time

import torch
import torch.nn.functional as F
from torch import nn

from verdicts import LONG_STEP

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


class Device:
    """The device of the rival: how to wait for it, and how much of its memory is used."""

    def __init__(self, arguments):
        self.name, self.precision = arguments.device, arguments.precision
        torch.set_num_threads(arguments.threads)
        if self.is_gpu():
            tf32 = self.precision == "tf32"
            torch.set_float32_matmul_precision("high" if tf32 else "highest")
            torch.backends.cudnn.allow_tf32 = tf32
            torch.backends.cudnn.benchmark = True
            torch.zeros(1, device=self.name)
            torch.cuda.synchronize()
            self.free_at_first = torch.cuda.mem_get_info()[0]

    def is_gpu(self):
        return self.name == "cuda"

    def autocast(self):
        return torch.autocast(self.name, dtype=torch.bfloat16) if self.precision == "bf16" else contextlib.nullcontext()

    def wait(self):
        if self.is_gpu():
            torch.cuda.synchronize()

    def forget_compiling(self):
        """Makes the memory that only compiling and choosing algorithms needed not count."""
        if self.is_gpu():
            self.wait()
            torch.cuda.empty_cache()

    def taken_megabytes(self):
        """The GPU memory in use, counted as amnet counts it: tensors, pools, handles and loaded kernels; the pools keep their largest
        size."""
        return (self.free_at_first - torch.cuda.mem_get_info()[0]) / 2**20

    def about(self):
        if not self.is_gpu():
            return {}
        return {"device_mb": self.taken_megabytes(), "gpu": torch.cuda.get_device_name(), "cuda": torch.version.cuda,
                "cudnn": str(torch.backends.cudnn.version())}


def compiled(model, mode):
    if mode == "eager":
        return model
    if mode in ("reduce-overhead", "max-autotune"):
        return torch.compile(model, mode=mode)
    return torch.compile(model, options={"freezing": True}) if mode == "freeze" else torch.compile(model)


def mark_step(mode):
    """From here on, CUDA graphs of torch.compile reuse their outputs."""
    if mode in ("reduce-overhead", "max-autotune"):
        torch.compiler.cudagraph_mark_step_begin()


def training_step(arguments, device, batches):
    model = Training(arguments.width, arguments.classes).to(device.name, memory_format=torch.channels_last).train()
    solver = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9, weight_decay=5e-4, fused=True)
    loss_of = compiled(model, arguments.mode)

    def step():
        images, labels = next(batches)
        mark_step(arguments.mode)
        solver.zero_grad(set_to_none=True)
        with device.autocast():
            loss = loss_of(images, labels)
        loss.backward()
        solver.step()
        return loss

    return step


def embedding_step(arguments, device, batches):
    model = SphereFace(arguments.width).to(device.name, memory_format=torch.channels_last).eval()
    half = device.is_gpu() and arguments.precision == "bf16"
    if half:
        model = model.to(torch.bfloat16)
    embed = compiled(model, arguments.mode)
    # Freezing needs no_grad; without freezing inference_mode has less overhead.
    without_gradients = torch.no_grad if arguments.mode == "freeze" else torch.inference_mode
    images = next(batches)[0]
    images = images.to(torch.bfloat16) if half else images

    def step():
        mark_step(arguments.mode)
        with without_gradients(), contextlib.nullcontext() if half else device.autocast():
            return embed(images).sum()

    return step


def random_batches(arguments, device):
    """The same batch again and again, in the device's memory."""
    images = (torch.rand(arguments.batch, 3, HEIGHT, WIDTH) * 2 - 1).to(device.name, memory_format=torch.channels_last)
    labels = torch.randint(arguments.classes, (arguments.batch,)).to(device.name)
    while True:
        yield images, labels


def restart_peak_memory():
    """Resets the recorded peak, so that the memory of PyTorch's own compiler does not count; False where the system cannot."""
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


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mode", choices=("eager", "compile", "freeze", "reduce-overhead", "max-autotune"), required=True)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--precision", choices=("f32", "tf32", "bf16"), default="f32")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--classes", type=int, default=10516)
    parser.add_argument("--width", type=float, default=1)
    parser.add_argument("--iterations", type=int, default=10)
    parser.add_argument("--steps-per-wait", type=int, default=1, help="steps that are begun before a GPU is waited for; one iteration is that many")
    parser.add_argument("--forward-only", action="store_true")
    parser.add_argument("--faces", help="folder of one sub-folder for each person: train on their JPEGs")
    parser.add_argument("--workers", type=int, default=4, help="processes that decode them")
    parser.add_argument("--json")
    arguments = parser.parse_args()
    if arguments.mode == "freeze" and not arguments.forward_only:
        parser.error("--mode freeze needs --forward-only: weights that are constants cannot be trained")
    return arguments


def main():
    arguments = parse()
    torch.manual_seed(1)
    device = Device(arguments)
    loader = None
    if arguments.faces:
        import pytorch_faces  # needs more than PyTorch

        loader = pytorch_faces.Batches(arguments, device.name)
    batches = loader or random_batches(arguments, device)
    step = embedding_step(arguments, device, batches) if arguments.forward_only else training_step(arguments, device, batches)
    begun = time.perf_counter()
    for warm_ups in range(1, WARM_UP + 1):
        begin = time.perf_counter()
        result = step().item()
        if warm_ups > 1 and time.perf_counter() - begin > LONG_STEP:
            break
    device.forget_compiling()
    warm_up_seconds = time.perf_counter() - begun
    restarted = restart_peak_memory()
    waited = loader.waited if loader else 0
    seconds = []
    for _ in range(arguments.iterations):
        begin = time.perf_counter()
        for _ in range(arguments.steps_per_wait):
            result = step()
        result = result.item()
        device.wait()  # for the update, which the result does not depend on
        seconds.append((time.perf_counter() - begin) / arguments.steps_per_wait)
        if seconds[-1] > LONG_STEP:
            break
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
        **device.about(),
        **{key: value for key, value in vars(arguments).items() if key != "json"},
        "iterations": len(seconds),
    }
    if loader:
        numbers["wait_share"] = (loader.waited - waited) / (sum(seconds) * arguments.steps_per_wait)
    text = json.dumps(numbers, indent=2)
    print(text)
    if arguments.json:
        with open(arguments.json, "w") as file:
            file.write(text + "\n")


if __name__ == "__main__":
    main()
