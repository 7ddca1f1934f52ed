#include <amnet/kernels/permute.h>

#include "kernels/any_dtype.h"
#include "kernels/axes.h"
#include "lanes.h"

namespace amnet {
namespace {

/// Calls body(place in the target, place in the source) for every element of the target.
template <class Body>
void for_permuted(Cpu& cpu, const PermutedAxes& axes, const Body& body) {
  const auto& [e0, e1, e2, e3] = axes.extents;
  const auto& [s0, s1, s2, s3] = axes.strides;
  for_rows(cpu, e0 * e1 * e2, e3, [=, e1 = e1, e2 = e2, e3 = e3, s0 = s0, s1 = s1, s2 = s2, s3 = s3](std::int64_t row) {
    const std::int64_t source = row / (e1 * e2) * s0 + row / e2 % e1 * s1 + row % e2 * s2;
    for (std::int64_t i = 0; i < e3; ++i) body(row * e3 + i, source + i * s3);
  });
}

}  // namespace

void permute_forward(Cpu& cpu, const Tensor& x, std::span<const std::int64_t> order, const Tensor& y) {
  const PermutedAxes axes = permuted_axes(x, order, y);
  with_any(x.dtype(), [&]<class T>() {
    for_permuted(cpu, axes,
                 [in = x.data<T>().data(), out = y.data<T>().data()](std::int64_t to, std::int64_t from) { out[to] = in[from]; });
  });
}

void permute_backward(Cpu& cpu, const Tensor& dy, std::span<const std::int64_t> order, const Gradient& dx) {
  if (!dx) return;
  const PermutedAxes axes = permuted_axes(dy, inverse_order(order), dx.tensor);
  with_float(dy.dtype(), "permute", [&]<class T>() {
    for_permuted(cpu, axes,
                 [dout = dy.data<T>().data(), din = dx.tensor.data<T>().data(), write = dx.write](std::int64_t to, std::int64_t from) {
                   put(din[to], dout[from], write);
                 });
  });
}

}  // namespace amnet
