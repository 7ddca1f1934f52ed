#include <amnet/kernels/sample_scale.h>

#include "kernels/margin_arguments.h"
#include "rows.h"

namespace amnet {
namespace {

constexpr std::string_view who = "sample_scale";

/// Calls body.operator()<T, S>() for the types of a tensor and of its scales.
template <class Body>
void with_types(const Tensor& x, const Tensor& scales, Body&& body) {
  with_activation(x.dtype(), who, [&]<class T>() {
    if (scales.dtype() == x.dtype()) {
      body.template operator()<T, T>();
    } else {
      body.template operator()<T, float>();
    }
  });
}

/// y (+)= s x.
template <class T, class S>
struct ScaleRow {
  const T* x;
  const S* scales;
  T* y;
  std::int64_t columns;
  Write write;
  bool packed;

  template <class Team>
  AMNET_DEVICE void operator()(const Team& team, std::int64_t row) const {
    const std::int64_t begin = row * columns;
    const float scale = to_float(scales[row]);
    team.template each<Pack<T>::size>(columns, packed, [&]<int width>(Width<width>, std::int64_t i) {
      float values[width];
      load_floats(x + begin + i, values);
      for (float& value : values) value *= scale;
      store_floats(y + begin + i, values, write);
    });
  }
};

/// sums (+)= the sum of x dy.
template <class T, class S>
struct MultiplyRow {
  const T *x, *dy;
  S* sums;
  std::int64_t columns;
  Write write;
  bool packed;

  template <class Team>
  AMNET_DEVICE void operator()(const Team& team, std::int64_t row) const {
    const std::int64_t begin = row * columns;
    float sum = 0;
    team.template each<Pack<T>::size>(columns, packed, [&]<int width>(Width<width>, std::int64_t i) {
      float values[width], slopes[width];
      load_floats(x + begin + i, values);
      load_floats(dy + begin + i, slopes);
      for (int e = 0; e < width; ++e) sum += values[e] * slopes[e];
    });
    sum = team.sum(sum);
    if (team.lane() == 0) put(sums[row], sum, write);
  }
};

template <class T, class S>
void scale_rows(Cuda& cuda, const ScaledParts& parts, const Tensor& x, const Tensor& scales, const Gradient& y) {
  for_rows(cuda, parts.number, parts.elements,
           ScaleRow<T, S>{.x = elements<const T>(x, who),
                          .scales = elements<const S>(scales, who),
                          .y = elements<T>(y.tensor, who),
                          .columns = parts.elements,
                          .write = y.write,
                          .packed = rows_are_packed(parts.elements, Pack<T>::size, {x, y.tensor})});
}

/// One block.
template <class S>
struct UpdateGlobal {
  static constexpr int threads = 256;
  struct Shared {
    double sums[threads / warp_size];
  };
  const S* scales;
  std::int64_t count;
  float* running;
  bool moves;
  double keeps, low, high;

  AMNET_DEVICE void operator()(const Thread& thread) const {
    double sum = 0;
    for (std::int64_t i = thread.index(); i < count; i += threads) sum += static_cast<double>(fabsf(to_float(scales[i])));
    sum = block_sum(thread, sum, thread.shared<Shared>().sums);
    if (thread.index() != 0) return;
    auto next = static_cast<double>(*running);
    if (moves && count > 0) {
      const double mean = sum / static_cast<double>(count);
      next = next < 0 ? mean : keeps * next + (1 - keeps) * mean;
    }
    next = next > high ? high : next;
    *running = static_cast<float>(next < low ? low : next);
  }
};

}  // namespace

void sample_scale_forward(Cuda& cuda, const Tensor& x, const Tensor& scales, const Tensor& y) {
  const ScaledParts parts = scaled_parts(x, scales, y);
  with_types(x, scales, [&]<class T, class S>() { scale_rows<T, S>(cuda, parts, x, scales, {y, Write::assign}); });
}

void sample_scale_backward(Cuda& cuda, const Tensor& x, const Tensor& scales, const Tensor& dy, const Gradient& dx,
                           const Gradient& dscales) {
  if (!dx && !dscales) return;
  const ScaledParts parts = scaled_parts(dy, scales, dscales ? x : dx.tensor);
  with_types(dy, scales, [&]<class T, class S>() {
    if (dscales) {
      for_rows(cuda, parts.number, parts.elements,
               MultiplyRow<T, S>{.x = elements<const T>(x, who),
                                 .dy = elements<const T>(dy, who),
                                 .sums = elements<S>(dscales.tensor, who),
                                 .columns = parts.elements,
                                 .write = dscales.write,
                                 .packed = rows_are_packed(parts.elements, Pack<T>::size, {x, dy})});
    }
    if (dx) scale_rows<T, S>(cuda, parts, dy, scales, dx);
  });
}

void global_scale_update(Cuda& cuda, const GlobalScaleUpdate& update, const Tensor& scales, const Tensor& running) {
  check_values(running, 1, DType::f32, "running scale", who);
  with_activation(scales.dtype(), who, [&]<class S>() {
    launch(cuda, 1,
           UpdateGlobal<S>{.scales = elements<const S>(scales, who),
                           .count = scales.count(),
                           .running = elements<float>(running, who),
                           .moves = update.moves,
                           .keeps = update.keeps,
                           .low = update.low,
                           .high = update.high});
  });
}

}  // namespace amnet
