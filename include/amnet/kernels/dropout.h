// Dropout: y = x / (1 - ratio) where the element is kept, 0 elsewhere. Srivastava et al., "Dropout"
// (JMLR 15, 2014), scaled in training so that testing is the identity. Whether an element is kept
// depends on (seed, stream, step, index) alone, so a rerun, a resume and any number of threads drop
// the same ones.
//
//   const DropoutDraw draw{.ratio = 0.5, .seed = 1, .stream = stream_of("drop5"), .step = 7};
//   dropout_forward(cpu, draw, x, y, mask);
//   dropout_backward(cpu, draw.ratio, mask, dy, {dx, Write::assign});
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/gradient.h>

namespace amnet {

/// Which draws: the run's seed, the layer's stream and the step's number; `ratio` in [0, 1) is the
/// share that is dropped.
struct DropoutDraw {
  double ratio = 0.5;
  std::uint64_t seed = 0;
  std::uint64_t stream = 0;
  std::int64_t step = 0;
};

/// x, y: of one shape and floating-point dtype; mask: u8, of the same count, 1 where the element is
/// kept.
void dropout_forward(Cpu& cpu, const DropoutDraw& draw, const Tensor& x, const Tensor& y, const Tensor& mask);
void dropout_forward(Cuda& cuda, const DropoutDraw& draw, const Tensor& x, const Tensor& y, const Tensor& mask);

/// dx = mask dy / (1 - ratio).
void dropout_backward(Cpu& cpu, double ratio, const Tensor& mask, const Tensor& dy, const Gradient& dx);
void dropout_backward(Cuda& cuda, double ratio, const Tensor& mask, const Tensor& dy, const Gradient& dx);

}  // namespace amnet
