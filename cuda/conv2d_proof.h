// Compares a few elements of an engine's output with plain sums in double: not every engine of
// cuDNN computes what its graph defines. Observed with 9.14 on an H200: an engine for tf32 must add
// the gradient to data of a 1x1 convolution of 300 outputs to what is there, but overwrites it.
// Sums that miss one product in 4608, as many as the network's longest sums have, are 1.5 % off.
#pragma once

#include "conv2d_graphs.h"
#include "scalar.h"

#include <array>
#include <cmath>

namespace amnet {

/// The addresses of a graph's tensors, in the order of ConvolutionTensor; nullptr for tensors that
/// it does not have.
using ConvolutionPlaces = std::array<void*, sums_id + 1>;

/// One warp computes each sample's sum and writes its result: the squares of the difference and of
/// the products in the sum.
template <class T>
struct CompareSamples {
  static constexpr int threads = 128, samples = 64;
  struct Found {
    double difference, products;
  };
  dnn::Convolution pass;
  Conv2dGeometry geometry;
  std::int64_t images, height, width, channels, y_height, y_width, outputs;
  std::int64_t count;  // of the elements that the engine wrote
  const T *x, *w, *y;
  const float *bias, *slopes;
  std::int64_t slope_stride;
  const T *residual, *kept;
  double times;  // how many times the sums were added, starting from zeros
  Found* out;

  struct Sum {
    double value = 0, squares = 0;
    AMNET_DEVICE void add(double term) {
      value += term;
      squares += term * term;
    }
  };
  /// A place in x or y, and which channel.
  struct Place {
    std::int64_t image, row, column, channel;
    AMNET_DEVICE Place(std::int64_t at, std::int64_t rows, std::int64_t columns, std::int64_t all)
        : image(at / all / columns / rows), row(at / all / columns % rows), column(at / all % columns), channel(at % all) {}
  };

  /// The samples are spread at random over all elements, and include the first and the last; -1
  /// where there are fewer elements than samples.
  AMNET_DEVICE std::int64_t element_of(std::int64_t sample) const {
    const std::int64_t begin = count * sample / samples, end = count * (sample + 1) / samples;
    if (sample == 0 || begin == end) return begin == end ? -1 : 0;
    if (sample == samples - 1) return end - 1;
    return begin + static_cast<std::int64_t>((static_cast<std::uint64_t>(sample) * 0x9e3779b97f4a7c15U) >> 33) % (end - begin);
  }
  AMNET_DEVICE bool on_image(std::int64_t row, std::int64_t column) const {
    return row >= 0 && column >= 0 && row < height && column < width;
  }
  AMNET_DEVICE double x_at(std::int64_t image, std::int64_t row, std::int64_t column, std::int64_t channel) const {
    return to_float(x[((image * height + row) * width + column) * channels + channel]);
  }
  AMNET_DEVICE double y_at(std::int64_t image, std::int64_t row, std::int64_t column, std::int64_t output) const {
    return to_float(y[((image * y_height + row) * y_width + column) * outputs + output]);
  }

  AMNET_DEVICE Sum forward_sum(std::int64_t element, int lane) const {
    const Place at(element, y_height, y_width, outputs);
    const std::int64_t of_group = channels / geometry.groups, first = at.channel / (outputs / geometry.groups) * of_group;
    const std::int64_t taps = geometry.kernel.height * geometry.kernel.width * of_group;
    Sum sum;
    for (std::int64_t k = lane; k < taps; k += warp_size) {
      const std::int64_t row =
          at.row * geometry.stride.height - geometry.pad.height + k / of_group / geometry.kernel.width * geometry.dilation.height;
      const std::int64_t column =
          at.column * geometry.stride.width - geometry.pad.width + k / of_group % geometry.kernel.width * geometry.dilation.width;
      if (on_image(row, column)) sum.add(x_at(at.image, row, column, first + k % of_group) * to_float(w[at.channel * taps + k]));
    }
    return sum;
  }
  AMNET_DEVICE Sum data_gradient_sum(std::int64_t element, int lane) const {
    const Place at(element, height, width, channels);
    const std::int64_t of_group = channels / geometry.groups, outputs_of_group = outputs / geometry.groups;
    const std::int64_t first = at.channel / of_group * outputs_of_group;
    Sum sum;
    for (std::int64_t k = lane; k < geometry.kernel.height * geometry.kernel.width * outputs_of_group; k += warp_size) {
      const std::int64_t output = first + k % outputs_of_group, tap = k / outputs_of_group;
      const std::int64_t row = at.row + geometry.pad.height - tap / geometry.kernel.width * geometry.dilation.height,
                         column = at.column + geometry.pad.width - tap % geometry.kernel.width * geometry.dilation.width;
      if (row < 0 || column < 0 || row % geometry.stride.height != 0 || column % geometry.stride.width != 0) continue;
      if (row / geometry.stride.height >= y_height || column / geometry.stride.width >= y_width) continue;
      const std::int64_t weight = (output * geometry.kernel.height * geometry.kernel.width + tap) * of_group + at.channel % of_group;
      sum.add(y_at(at.image, row / geometry.stride.height, column / geometry.stride.width, output) * to_float(w[weight]));
    }
    return sum;
  }
  AMNET_DEVICE Sum weight_gradient_sum(std::int64_t element, int lane) const {
    const std::int64_t of_group = channels / geometry.groups, tap = element / of_group % (geometry.kernel.height * geometry.kernel.width);
    const std::int64_t output = element / of_group / (geometry.kernel.height * geometry.kernel.width);
    const std::int64_t channel = output / (outputs / geometry.groups) * of_group + element % of_group;
    Sum sum;
    for (std::int64_t pixel = lane; pixel < images * y_height * y_width; pixel += warp_size) {
      const Place at(pixel, y_height, y_width, 1);
      const std::int64_t row =
          at.row * geometry.stride.height - geometry.pad.height + tap / geometry.kernel.width * geometry.dilation.height;
      const std::int64_t column =
          at.column * geometry.stride.width - geometry.pad.width + tap % geometry.kernel.width * geometry.dilation.width;
      if (on_image(row, column)) sum.add(x_at(at.image, row, column, channel) * to_float(y[pixel * outputs + output]));
    }
    return sum;
  }

  AMNET_DEVICE void operator()(const Thread& thread) const {
    const std::int64_t sample = thread.first() / warp_size;
    const int lane = thread.index() % warp_size;
    const std::int64_t element = element_of(sample);
    Sum sum;
    if (element >= 0) {
      switch (pass) {
        case dnn::Convolution::forward: sum = forward_sum(element, lane); break;
        case dnn::Convolution::data_gradient: sum = data_gradient_sum(element, lane); break;
        case dnn::Convolution::weight_gradient: sum = weight_gradient_sum(element, lane); break;
      }
    }
    sum = {.value = warp_sum(thread, sum.value), .squares = warp_sum(thread, sum.squares)};
    if (lane == 0) out[sample] = element < 0 ? Found{0, 0} : found(element, sum);
  }

  AMNET_DEVICE Found found(std::int64_t element, Sum sum) const {
    double difference = 0;
    const auto compare = [&](const T* written) {
      const double off = to_float(written[element]) / times - sum.value;
      difference += off * off;
    };
    if (pass == dnn::Convolution::forward) {
      const std::int64_t channel = element % outputs;
      if (bias != nullptr) sum.add(bias[channel]);
      if (kept != nullptr) compare(kept);
      if (slopes != nullptr && sum.value < 0) sum.value *= slopes[channel * slope_stride];
      if (residual != nullptr) sum.add(to_float(residual[element]));
    }
    compare(pass == dnn::Convolution::forward ? y : pass == dnn::Convolution::data_gradient ? x : w);
    // Sums of values that are not finite cannot be judged.
    return sum.squares - sum.squares == 0 ? Found{difference, sum.squares} : Found{0, 0};
  }
};

/// The difference between the elements that were written and their correct values, relative to the
/// size of their products: from rounding alone about 1e-7 in f32, 4e-4 in tf32 and 1e-3 in bf16. A
/// graph that adds was run twice, starting from zeros. Waits for the GPU.
template <class T>
double difference_of_samples(Cuda& cuda, const ConvolutionGraph& graph, const ConvolutionPlaces& places) {
  using Kernel = CompareSamples<T>;
  const auto memory = allocate(Memory::cuda, Kernel::samples * sizeof(typename Kernel::Found));
  auto* const out = reinterpret_cast<typename Kernel::Found*>(memory.get());
  const Shape y = graph.y();
  const Shape written = graph.pass == dnn::Convolution::forward ? y : graph.pass == dnn::Convolution::data_gradient ? graph.x : graph.w();
  launch(cuda, Kernel::samples * warp_size / Kernel::threads,
         Kernel{.pass = graph.pass,
                .geometry = graph.geometry,
                .images = graph.x[0],
                .height = graph.x[1],
                .width = graph.x[2],
                .channels = graph.x[3],
                .y_height = y[1],
                .y_width = y[2],
                .outputs = graph.outputs,
                .count = written.count(),
                .x = static_cast<const T*>(places[x_id]),
                .w = static_cast<const T*>(places[w_id]),
                .y = static_cast<const T*>(places[y_id]),
                .bias = static_cast<const float*>(places[bias_id]),
                .slopes = static_cast<const float*>(places[slope_id]),
                .slope_stride = graph.slope == Slope::each ? 1 : 0,
                .residual = static_cast<const T*>(places[residual_id]),
                .kept = static_cast<const T*>(places[sums_id]),
                .times = graph.adds ? 2.0 : 1.0,
                .out = out});
  std::array<typename Kernel::Found, Kernel::samples> found{};
  copy_bytes(reinterpret_cast<std::byte*>(found.data()), Memory::host, memory.get(), Memory::cuda, sizeof found);
  double difference = 0, products = 0;
  for (const auto& one : found) difference += one.difference, products += one.products;
  return difference == 0 ? 0 : std::sqrt(difference / products);
}

/// The limit above which a difference is more than rounding.
inline double largest_difference(const ConvolutionGraph& graph) { return graph.dtype == DType::f32 && !graph.tf32 ? 1e-3 : 5e-3; }

}  // namespace amnet
