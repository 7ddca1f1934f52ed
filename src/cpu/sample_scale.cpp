#include <amnet/kernels/sample_scale.h>

#include <algorithm>
#include <cmath>

#include "kernels/margin_arguments.h"
#include "lanes.h"

namespace amnet {
namespace {

constexpr std::string_view who = "sample_scale";

}  // namespace

void sample_scale_forward(Cpu& cpu, const Tensor& x, const Tensor& scales, const Tensor& y) {
  const auto [parts, elements] = scaled_parts(x, scales, y);
  with_float(x.dtype(), who, [&, parts = parts, elements = elements]<class T>() {
    const T *in = x.data<T>().data(), *factors = scales.data<T>().data();
    T* out = y.data<T>().data();
    for_rows(cpu, parts, elements, [=](std::int64_t part) {
      const T *from = in + part * elements, factor = factors[part];
      T* to = out + part * elements;
      for (std::int64_t i = 0; i < elements; ++i) to[i] = factor * from[i];
    });
  });
}

void sample_scale_backward(Cpu& cpu, const Tensor& x, const Tensor& scales, const Tensor& dy, const Gradient& dx, const Gradient& dscales) {
  if (!dx && !dscales) return;
  const auto [parts, elements] = scaled_parts(dy, scales, dscales ? x : dx.tensor);
  with_float(dy.dtype(), who, [&, parts = parts, elements = elements]<class T>() {
    const T *slopes = dy.data<T>().data(), *factors = scales.data<T>().data(), *in = dscales ? x.data<T>().data() : nullptr;
    T *to = dx ? dx.tensor.data<T>().data() : nullptr, *sums = dscales ? dscales.tensor.data<T>().data() : nullptr;
    for_rows(cpu, parts, elements, [=, write = dx.write, write_sums = dscales.write](std::int64_t part) {
      const std::int64_t begin = part * elements;
      if (sums != nullptr) {
        const double sum = lane_sum<double>(
            elements, [=](std::int64_t i) { return static_cast<double>(in[begin + i]) * static_cast<double>(slopes[begin + i]); });
        put(sums[part], static_cast<T>(sum), write_sums);
      }
      if (to == nullptr) return;
      for (std::int64_t i = begin; i < begin + elements; ++i) put(to[i], factors[part] * slopes[i], write);
    });
  });
}

void global_scale_update(Cpu&, const GlobalScaleUpdate& update, const Tensor& scales, const Tensor& running) {
  check_values(running, 1, scales.dtype(), "running scale", who);
  with_float(scales.dtype(), who, [&]<class T>() {
    T& value = running.data<T>()[0];
    auto next = static_cast<double>(value);
    if (update.moves && scales.count() > 0) {
      const T* each = scales.data<T>().data();
      const double sum = lane_sum<double>(scales.count(), [=](std::int64_t i) { return std::abs(static_cast<double>(each[i])); });
      const double mean = sum / static_cast<double>(scales.count());
      next = next < 0 ? mean : update.keeps * next + (1 - update.keeps) * mean;
    }
    value = static_cast<T>(std::max(std::min(next, update.high), update.low));
  });
}

}  // namespace amnet
