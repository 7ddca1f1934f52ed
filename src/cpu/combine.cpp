#include <amnet/kernels/combine.h>

#include "kernels/arguments.h"
#include "lanes.h"

namespace amnet {
namespace {

template <class T>
struct Inputs {
  const T* at[most_combined] = {};
  std::size_t count = 0;

  explicit Inputs(std::span<const Tensor> xs) {
    for (const Tensor& x : xs) at[count++] = elements_or_null<const T>(x);
  }
  /// The index of the largest of the tensors' elements i, by the rule of combine_backward.
  std::size_t winner(std::int64_t i) const {
    std::size_t best = at[0][i] > at[1][i] ? 0 : 1;
    for (std::size_t k = 2; k < count; ++k) best = at[k][i] > at[best][i] ? k : best;
    return best;
  }
};

}  // namespace

void combine_forward(Cpu& cpu, const CombineRule& rule, std::span<const Tensor> xs, const Tensor& y) {
  check_combine(rule, xs, y);
  with_float(y.dtype(), "combine", [&]<class T>() {
    T* out = y.data<T>().data();
    const auto in = [&](std::size_t k) { return xs[k].data<const T>().data(); };
    const auto factor = [&](std::size_t k) { return static_cast<T>(rule.coefficient(k)); };
    // One pass for the first two tensors, and one for each further tensor: loops that vectorise.
    switch (rule.operation) {
      case Combination::sum:
        for_elements(cpu, y.count(),
                     [=, a = in(0), b = in(1), p = factor(0), q = factor(1)](std::int64_t i) { out[i] = p * a[i] + q * b[i]; });
        for (std::size_t k = 2; k < xs.size(); ++k) {
          for_elements(cpu, y.count(), [=, next = in(k), p = factor(k)](std::int64_t i) { out[i] += p * next[i]; });
        }
        break;
      case Combination::product:
        for_elements(cpu, y.count(), [=, a = in(0), b = in(1)](std::int64_t i) { out[i] = a[i] * b[i]; });
        for (std::size_t k = 2; k < xs.size(); ++k) {
          for_elements(cpu, y.count(), [=, next = in(k)](std::int64_t i) { out[i] *= next[i]; });
        }
        break;
      case Combination::maximum:
        for_elements(cpu, y.count(), [=, a = in(0), b = in(1)](std::int64_t i) { out[i] = a[i] > b[i] ? a[i] : b[i]; });
        for (std::size_t k = 2; k < xs.size(); ++k) {
          for_elements(cpu, y.count(), [=, next = in(k)](std::int64_t i) { out[i] = next[i] > out[i] ? next[i] : out[i]; });
        }
        break;
    }
  });
}

void combine_backward(Cpu& cpu, const CombineRule& rule, std::span<const Tensor> xs, std::size_t which, const Tensor& dy,
                      const Gradient& dx) {
  if (!dx) return;
  check_combine(rule, xs, dy);
  with_float(dy.dtype(), "combine", [&]<class T>() {
    const T* dout = dy.data<T>().data();
    T* din = dx.tensor.data<T>().data();
    const Write write = dx.write;
    if (rule.operation == Combination::sum) {
      for_elements(cpu, dy.count(),
                   [=, factor = static_cast<T>(rule.coefficient(which))](std::int64_t i) { put(din[i], factor * dout[i], write); });
      return;
    }
    const Inputs<T> inputs(xs);
    if (rule.operation == Combination::maximum) {
      for_elements(cpu, dy.count(), [=](std::int64_t i) { put(din[i], inputs.winner(i) == which ? dout[i] : T{0}, write); });
      return;
    }
    for_elements(cpu, dy.count(), [=](std::int64_t i) {
      T product = 1;
      for (std::size_t k = 0; k < inputs.count; ++k) product *= k == which ? T{1} : inputs.at[k][i];
      put(din[i], product * dout[i], write);
    });
  });
}

}  // namespace amnet
