"""Batches of faces for pytorch_rival.py: JPEGs of a folder, decoded by the worker processes of a DataLoader, pinned, copied to the device
while it computes, normalised and mirrored there. Uses torchvision to decode where it is installed, else Pillow.
"""
import itertools
import time
from pathlib import Path

import torch
from torch.utils.data import DataLoader, Dataset

MEAN, SCALE = 127.5, 1 / 128  # of include/amnet/core/image_format.h


def decoder():
    """A function from a path to a tensor (3,H,W) of u8."""
    try:
        from torchvision.io import ImageReadMode, decode_jpeg, read_file

        return lambda path: decode_jpeg(read_file(path), mode=ImageReadMode.RGB)
    except ImportError:
        pass
    try:
        import numpy
        from PIL import Image
    except ImportError:
        raise SystemExit("the rival needs torchvision, or Pillow and numpy, to decode JPEGs, and its Python has neither")

    def decode(path):
        with Image.open(path) as image:
            return torch.from_numpy(numpy.array(image.convert("RGB"))).permute(2, 0, 1)

    return decode


class Faces(Dataset):
    def __init__(self, folder):
        people = sorted(path for path in Path(folder).iterdir() if path.is_dir())
        self.items = [(str(image), label) for label, person in enumerate(people) for image in sorted(person.glob("*.jpg"))]
        if not self.items:
            raise SystemExit(f"expected folders of JPEGs under {folder} but found none")
        self.decode = decoder()

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        path, label = self.items[index]
        return self.decode(path), label


class Batches:
    """An endless iterator of (images, labels) on the device. `waited`: seconds spent waiting for the workers."""

    def __init__(self, arguments, device):
        self.device, self.waited = device, 0.0
        loader = DataLoader(Faces(arguments.faces), batch_size=arguments.batch, shuffle=True, drop_last=True, num_workers=arguments.workers,
                            pin_memory=device == "cuda", persistent_workers=True, prefetch_factor=4)
        if len(loader) == 0:
            raise SystemExit(f"expected a batch of {arguments.batch} faces under {arguments.faces} but there are fewer")
        self.batches = itertools.chain.from_iterable(itertools.repeat(loader))

    def __next__(self):
        begin = time.perf_counter()
        images, labels = next(self.batches)
        self.waited += time.perf_counter() - begin
        images = images.to(self.device, non_blocking=True).to(torch.float32, memory_format=torch.channels_last)
        mirrored = torch.rand(images.shape[0], 1, 1, 1, device=self.device) < 0.5
        images = torch.where(mirrored, images.flip(3), images).sub_(MEAN).mul_(SCALE)
        return images.contiguous(memory_format=torch.channels_last), labels.to(self.device, non_blocking=True)
