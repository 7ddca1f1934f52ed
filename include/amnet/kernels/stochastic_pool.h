// Stochastic pooling over windows of an image, on a CPU: in training one pixel of each window,
// drawn with a probability in proportion to its value; in testing the mean of the window's values,
// weighted with themselves. Zeiler, Fergus, "Stochastic Pooling for Regularization of Deep
// Convolutional Neural Networks" (arXiv 1301.3557), equations 4 to 6. The values are meant to be
// activations >= 0; sums take others as they are.
//
//   const PoolWindow window{.kernel = 3, .stride = 2};
//   stochastic_pool_forward(cpu, window, {.seed = 1, .stream = stream_of("pool1"), .step = 7}, x, y, indices);
//   stochastic_pool_backward(cpu, window, dy, indices, {dx, Write::assign});
//   expected_pool_forward(cpu, window, x, y);   // in testing
#pragma once

#include <amnet/kernels/pool.h>

#include <cstdint>

namespace amnet {

/// Which draws: the run's seed, the layer's stream and the step's number.
struct PoolDraw {
  std::uint64_t seed = 0;
  std::uint64_t stream = 0;
  std::int64_t step = 0;
};

/// x: (N,H,W,C); y: (N,OH,OW,C); indices: i64, as y: h * W + w of the drawn pixel. It is the first
/// at which the sum of the values so far exceeds u times the sum of all, with u in [0, 1) a
/// function of the draw and of the place in y alone. Where the values sum to 0 or less it is the
/// first.
void stochastic_pool_forward(Cpu& cpu, const PoolWindow& window, const PoolDraw& draw, const Tensor& x, const Tensor& y,
                             const Tensor& indices);
/// dy goes to the drawn pixel. dx: (N,H,W,C).
void stochastic_pool_backward(Cpu& cpu, const PoolWindow& window, const Tensor& dy, const Tensor& indices, const Gradient& dx);

/// y = the sum of x^2 over the sum of x, or 0 where that sum is 0 or less.
void expected_pool_forward(Cpu& cpu, const PoolWindow& window, const Tensor& x, const Tensor& y);
/// dx = dy (2 x - y) / the sum of x.
void expected_pool_backward(Cpu& cpu, const PoolWindow& window, const Tensor& x, const Tensor& dy, const Gradient& dx);

}  // namespace amnet
