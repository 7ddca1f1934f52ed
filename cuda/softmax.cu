#include <amnet/kernels/softmax.h>

#include "elementwise.h"
#include "kernels/arguments.h"

#include <cmath>
#include <limits>

namespace amnet {
namespace {

constexpr std::string_view who = "softmax";

/// One block for each row.
template <class T>
struct SoftmaxRow {
  static constexpr int threads = 256;
  struct Shared {
    float largest[threads / warp_size];
    double sums[threads / warp_size];
  };
  const T* x;
  T* y;
  std::int64_t columns;
  float lowest;

  AMNET_DEVICE void operator()(const Thread& thread) const {
    Shared& shared = thread.shared<Shared>();
    const T* from = x + thread.block() * columns;
    T* to = y + thread.block() * columns;
    float largest = lowest;
    for (std::int64_t i = thread.index(); i < columns; i += threads) {
      const float value = to_float(from[i]);
      largest = value > largest ? value : largest;
    }
    largest = block_max(thread, largest, shared.largest);
    double sum = 0;
    for (std::int64_t i = thread.index(); i < columns; i += threads) sum += static_cast<double>(expf(to_float(from[i]) - largest));
    const float inverse = static_cast<float>(1 / block_sum(thread, sum, shared.sums));
    for (std::int64_t i = thread.index(); i < columns; i += threads) {
      to[i] = from_float<T>(expf(to_float(from[i]) - largest) * inverse);
    }
  }
};

template <class T>
struct SoftmaxBackward {
  static constexpr int threads = 256;
  struct Shared {
    double sums[threads / warp_size];
  };
  const T *y, *dy;
  T* dx;
  std::int64_t columns;
  Write write;

  AMNET_DEVICE void operator()(const Thread& thread) const {
    Shared& shared = thread.shared<Shared>();
    const std::int64_t begin = thread.block() * columns;
    double sum = 0;
    for (std::int64_t i = begin + thread.index(); i < begin + columns; i += threads) {
      sum += static_cast<double>(to_float(y[i]) * to_float(dy[i]));
    }
    const float mean = static_cast<float>(block_sum(thread, sum, shared.sums));
    for (std::int64_t i = begin + thread.index(); i < begin + columns; i += threads) {
      put(dx[i], to_float(y[i]) * (to_float(dy[i]) - mean), write);
    }
  }
};

std::int64_t rows_of(const Tensor& x) { return x.count() / std::max<std::int64_t>(1, channels_of(x)); }

}  // namespace

void softmax_forward(Cuda& cuda, const Tensor& x, const Tensor& y) {
  check_softmax(x, y);
  with_activation(x.dtype(), who, [&]<class T>() {
    launch(cuda, rows_of(x),
           SoftmaxRow<T>{.x = elements<const T>(x, who),
                         .y = elements<T>(y, who),
                         .columns = channels_of(x),
                         .lowest = -std::numeric_limits<float>::infinity()});
  });
}

void softmax_backward(Cuda& cuda, const Tensor& y, const Tensor& dy, const Gradient& dx) {
  if (!dx) return;
  check_softmax(y, dy);
  check_softmax(y, dx.tensor);
  with_activation(y.dtype(), who, [&]<class T>() {
    launch(cuda, rows_of(y),
           SoftmaxBackward<T>{.y = elements<const T>(y, who),
                              .dy = elements<const T>(dy, who),
                              .dx = elements<T>(dx.tensor, who),
                              .columns = channels_of(y),
                              .write = dx.write});
  });
}

}  // namespace amnet
