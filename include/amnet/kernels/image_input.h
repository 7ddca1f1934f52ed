// From the loader's bytes to a net's input: (pixel - mean) * scale, mirrored where flagged.
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/tensor.h>

namespace amnet {

struct ImageInputOptions {
  double mean = 127.5;       ///< subtracted from every pixel value, in [0, 255]
  double scale = 1.0 / 128;  ///< multiplied after that
};

/// pixels: u8 (N,H,W,C), in [0, 255]; mirror: u8 (N), not 0 where the image is flipped along W; y: f32 or f64 (N,H,W,C).
void image_input(Cpu& cpu, const ImageInputOptions& options, const Tensor& pixels, const Tensor& mirror, const Tensor& y);
void image_input(Cuda& cuda, const ImageInputOptions& options, const Tensor& pixels, const Tensor& mirror, const Tensor& y);

}  // namespace amnet
