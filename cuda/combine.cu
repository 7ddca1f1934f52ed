#include <amnet/kernels/combine.h>

#include "elementwise.h"
#include "kernels/arguments.h"

namespace amnet {
namespace {

constexpr std::string_view who = "combine";

template <class T>
struct Inputs {
  const T* at[most_combined];
  float factors[most_combined];
  int count;

  AMNET_DEVICE float value(int k, std::int64_t i) const { return to_float(at[k][i]); }
  /// Of the largest value, by the rule of combine_backward.
  AMNET_DEVICE int winner(std::int64_t i) const {
    int best = value(0, i) > value(1, i) ? 0 : 1;
    for (int k = 2; k < count; ++k) best = value(k, i) > value(best, i) ? k : best;
    return best;
  }
};

template <class T>
Inputs<T> inputs_of(const CombineRule& rule, std::span<const Tensor> xs) {
  Inputs<T> inputs{.at = {}, .factors = {}, .count = static_cast<int>(xs.size())};
  for (std::size_t k = 0; k < xs.size(); ++k) {
    inputs.at[k] = elements_or_null<const T>(xs[k], who);
    inputs.factors[k] = static_cast<float>(rule.coefficient(k));
  }
  return inputs;
}

template <class T>
struct CombineAll {
  static constexpr int threads = 256;
  Inputs<T> inputs;
  T* y;
  std::int64_t count;
  Combination operation;

  AMNET_DEVICE void operator()(const Thread& thread) const {
    for (std::int64_t i = thread.first(); i < count; i += thread.step()) {
      float result = inputs.value(0, i);
      if (operation == Combination::maximum) {
        result = inputs.value(inputs.winner(i), i);
      } else if (operation == Combination::product) {
        for (int k = 1; k < inputs.count; ++k) result *= inputs.value(k, i);
      } else {
        result *= inputs.factors[0];
        for (int k = 1; k < inputs.count; ++k) result += inputs.factors[k] * inputs.value(k, i);
      }
      y[i] = from_float<T>(result);
    }
  }
};

/// Of a product or a maximum.
template <class T>
struct CombineBackward {
  static constexpr int threads = 256;
  Inputs<T> inputs;
  const T* dy;
  T* dx;
  std::int64_t count;
  Combination operation;
  int which;
  Write write;

  AMNET_DEVICE void operator()(const Thread& thread) const {
    for (std::int64_t i = thread.first(); i < count; i += thread.step()) {
      float slope = to_float(dy[i]);
      if (operation == Combination::maximum) {
        slope = inputs.winner(i) == which ? slope : 0;
      } else {
        float product = 1;
        for (int k = 0; k < inputs.count; ++k) product *= k == which ? 1 : inputs.value(k, i);
        slope *= product;
      }
      put(dx[i], slope, write);
    }
  }
};

struct Scaled {
  float factor;
  AMNET_DEVICE float operator()(const float (&x)[1], std::int64_t) const { return factor * x[0]; }
};

}  // namespace

void combine_forward(Cuda& cuda, const CombineRule& rule, std::span<const Tensor> xs, const Tensor& y) {
  check_combine(rule, xs, y);
  with_activation(y.dtype(), who, [&]<class T>() {
    const CombineAll<T> kernel{.inputs = inputs_of<T>(rule, xs), .y = elements<T>(y, who), .count = y.count(), .operation = rule.operation};
    launch(cuda, blocks_for(cuda, kernel.count, kernel.threads), kernel);
  });
}

void combine_backward(Cuda& cuda, const CombineRule& rule, std::span<const Tensor> xs, std::size_t which, const Tensor& dy,
                      const Gradient& dx) {
  if (!dx) return;
  check_combine(rule, xs, dy);
  with_activation(dy.dtype(), who, [&]<class T>() {
    if (rule.operation == Combination::sum) {
      map_elements<T>(cuda, Scaled{static_cast<float>(rule.coefficient(which))}, {flat(dy)}, flat(dx.tensor), dx.write, who);
      return;
    }
    const CombineBackward<T> kernel{.inputs = inputs_of<T>(rule, xs),
                                    .dy = elements<const T>(dy, who),
                                    .dx = elements<T>(dx.tensor, who),
                                    .count = dy.count(),
                                    .operation = rule.operation,
                                    .which = static_cast<int>(which),
                                    .write = dx.write};
    launch(cuda, blocks_for(cuda, kernel.count, kernel.threads), kernel);
  });
}

}  // namespace amnet
