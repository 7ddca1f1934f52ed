#include <amnet/kernels/add.h>

#include "elementwise.h"

namespace amnet {
namespace {

constexpr std::string_view who = "add";

template <int inputs>
struct Sum {
  AMNET_DEVICE float operator()(const float (&x)[inputs], std::int64_t) const {
    float sum = x[0];
    for (int k = 1; k < inputs; ++k) sum += x[k];
    return sum;
  }
};

/// The number of tensors that one kernel sums; further ones are added to its result.
constexpr std::size_t most_at_once = 4;

/// y = the sum of `xs`, between `inputs` and most_at_once of them.
template <class T, int inputs = 2>
void sum_at_once(Cuda& cuda, std::span<const Tensor> xs, const Tensor& y) {
  if constexpr (inputs < most_at_once) {
    if (xs.size() > inputs) return sum_at_once<T, inputs + 1>(cuda, xs, y);
  }
  Tensor flat_xs[inputs];
  std::ranges::transform(xs, flat_xs, flat);
  map_elements<T>(cuda, Sum<inputs>{}, flat_xs, flat(y), Write::assign, who);
}

}  // namespace

void add_forward(Cuda& cuda, std::span<const Tensor> xs, const Tensor& y) {
  with_activation(y.dtype(), who, [&]<class T>() {
    sum_at_once<T>(cuda, xs.first(std::min(xs.size(), most_at_once)), y);
    for (std::size_t done = most_at_once; done < xs.size(); done += most_at_once - 1) {
      const std::span<const Tensor> more = xs.subspan(done, std::min(xs.size() - done, most_at_once - 1));
      Tensor terms[most_at_once] = {y};
      std::ranges::copy(more, terms + 1);
      sum_at_once<T>(cuda, {terms, more.size() + 1}, y);
    }
  });
}

void add_backward(Cuda& cuda, const Tensor& dy, const Gradient& dx) {
  if (!dx) return;
  with_activation(dy.dtype(), who, [&]<class T>() { map_elements<T>(cuda, Same{}, {flat(dy)}, flat(dx.tensor), dx.write, who); });
}

}  // namespace amnet
