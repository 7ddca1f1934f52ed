// From the loader's bytes to a net's input: (pixel - mean) * scale, mirrored where flagged.
//
//   image_input(cpu, {.mean = 127.5, .scale = 1.0 / 128}, pixels, mirror, y);   // u8 (N,H,W,C), u8 (N), f32 (N,H,W,C)
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/tensor.h>

#include <utility>

namespace amnet {

struct ImageInputOptions {
  double mean = 127.5;       ///< subtracted from every pixel value, in [0, 255]
  double scale = 1.0 / 128;  ///< multiplied after that
};

/// Images as bytes: those of a batch, or of a whole set from which `indices` choose.
struct ImagePixels {
  Tensor values;  ///< u8 (N,H,W,C), in [0, 255]; (images,H,W,C) where there are indices
  /// i64 (N), in [0, images): image n of the batch is values(indices(n)); undefined: it is
  /// values(n)
  Tensor indices = {};

  ImagePixels(Tensor images, Tensor chosen = {}) : values(std::move(images)), indices(std::move(chosen)) {}
};

/// mirror: u8 (N), not 0 where the image is flipped along W; y (N,H,W,C): f32 or f64, on a GPU f32
/// or bf16. Throws UsageError when a shape does not follow from the others, and on a CPU for an
/// index out of range; a GPU does not check.
void image_input(Cpu& cpu, const ImageInputOptions& options, const ImagePixels& pixels, const Tensor& mirror, const Tensor& y);
void image_input(Cuda& cuda, const ImageInputOptions& options, const ImagePixels& pixels, const Tensor& mirror, const Tensor& y);

}  // namespace amnet
