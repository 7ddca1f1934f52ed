"""How much arithmetic the 20-layer network needs for an image: by its defining sums, and by the products of Winograd algorithms alone.

All counts are floating-point operations (a multiply-add is two) of one image of 112x96; channels follow the width multiplier.
"""
from typing import NamedTuple

BLOCKS = (1, 2, 4, 1)  # residual blocks of each stage
EXTENTS = ((56, 48), (28, 24), (14, 12), (7, 6))
EMBEDDING = 512
KERNEL = 3

# Outputs (height, width) of the tile that suits each stage. A stride-1 tile of m outputs costs m +
# 2 products along each axis: F(m,3) of Lavin and Gray (arXiv 1509.09308), section 4.1. A stride-2
# tile costs 2m + 1: its even phase has one tap (m products), its odd phase two, F(m,2) (m + 1
# products). So a 4x4 tile of stride 2 has 81 products instead of 144.
STRIDE_1_TILES = ((6, 6), (6, 6), (5, 6), (4, 6))
STRIDE_2_TILES = (None, (4, 4), (4, 4), (4, 3))  # the first reads 3 channels and stays direct


class Convolution(NamedTuple):
    name: str  # as in amnet_bench: conv2d/<name>/<pass>
    count: int  # of this shape in the network
    height: int  # of the output
    width: int
    inputs: int
    outputs: int
    stride: int
    tile: tuple  # (height, width) of outputs, or None for a direct sum


def channels(width=1.0):
    return [max(1, round(width * (32 << stage))) for stage in (1, 2, 3, 4)]


def convolutions(width=1.0):
    result, inputs = [], 3
    for stage, outputs in enumerate(channels(width)):
        height, columns = EXTENTS[stage]
        name = f"stage{stage + 1}"
        result.append(Convolution(f"{name}_stride2", 1, height, columns, inputs, outputs, 2, STRIDE_2_TILES[stage]))
        result.append(Convolution(name, 2 * BLOCKS[stage], height, columns, outputs, outputs, 1, STRIDE_1_TILES[stage]))
        inputs = outputs
    return result


def direct_flops(convolution):
    """For one image and one pass through one such convolution; the three passes cost the same."""
    c = convolution
    return 2 * c.height * c.width * c.inputs * c.outputs * KERNEL * KERNEL


def product_flops(convolution):
    """The same, for the matrix products of its tiles alone, as if their transforms took no time."""
    c = convolution
    if c.tile is None:
        return direct_flops(c)
    tile_height, tile_width = c.tile
    tiles = -(-c.height // tile_height) * -(-c.width // tile_width)
    along = (lambda m: m + KERNEL - 1) if c.stride == 1 else (lambda m: 2 * m + 1)
    return 2 * tiles * along(tile_height) * along(tile_width) * c.inputs * c.outputs


def flops_per_image(task, classes=10516, width=1.0, of=direct_flops):
    """`of` is direct_flops or product_flops. Training is forward, data gradient and weight gradient of everything, except the gradient
    of the pixels, and the head; the embedding stops at fc5."""
    layers = convolutions(width)
    forward = sum(c.count * of(c) for c in layers)
    height, columns = EXTENTS[-1]
    fc5 = 2 * height * columns * layers[-1].outputs * EMBEDDING
    if task == "embedding":
        return forward + fc5
    head = 2 * EMBEDDING * classes
    return 3 * (forward + fc5 + head) - of(layers[0])
