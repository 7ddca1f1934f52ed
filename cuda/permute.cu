#include <amnet/kernels/permute.h>

#include "elementwise.h"
#include "kernels/any_dtype.h"
#include "kernels/axes.h"

namespace amnet {
namespace {

constexpr std::string_view who = "permute";

/// One thread for each element of the target: writes are to neighbours, reads where they fall.
template <class T, bool adds>
struct Permute {
  static constexpr int threads = 256;
  const T* from;
  T* to;
  PermutedAxes axes;
  std::int64_t count;

  AMNET_DEVICE void operator()(const Thread& thread) const {
    for (std::int64_t i = thread.first(); i < count; i += thread.step()) {
      std::int64_t rest = i, source = 0;
      for (int axis = Shape::max_rank - 1; axis >= 0; --axis) {
        source += rest % axes.extents[axis] * axes.strides[axis];
        rest /= axes.extents[axis];
      }
      if constexpr (adds) {
        put(to[i], to_float(from[source]), Write::add);
      } else {
        to[i] = from[source];
      }
    }
  }
};

template <class T, bool adds>
void permute(Cuda& cuda, const PermutedAxes& axes, const Tensor& from, const Tensor& to) {
  const Permute<T, adds> kernel{.from = elements<const T>(from, who), .to = elements<T>(to, who), .axes = axes, .count = to.count()};
  launch(cuda, blocks_for(cuda, kernel.count, kernel.threads), kernel);
}

}  // namespace

void permute_forward(Cuda& cuda, const Tensor& x, std::span<const std::int64_t> order, const Tensor& y) {
  const PermutedAxes axes = permuted_axes(x, order, y);
  with_any(x.dtype(), [&]<class T>() { permute<T, false>(cuda, axes, x, y); });
}

void permute_backward(Cuda& cuda, const Tensor& dy, std::span<const std::int64_t> order, const Gradient& dx) {
  if (!dx) return;
  const PermutedAxes axes = permuted_axes(dy, inverse_order(order), dx.tensor);
  with_activation(dy.dtype(), who, [&]<class T>() {
    if (dx.write == Write::add) {
      permute<T, true>(cuda, axes, dy, dx.tensor);
    } else {
      permute<T, false>(cuda, axes, dy, dx.tensor);
    }
  });
}

}  // namespace amnet
