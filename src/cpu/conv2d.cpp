#include "conv2d_check.h"
#include "correlation.h"

namespace amnet {

Shape Conv2dOptions::output_shape(const Shape& x, std::int64_t outputs) const {
  require(kernel_h >= 1 && kernel_w >= 1 && stride_h >= 1 && stride_w >= 1 && pad_h >= 0 && pad_w >= 0 && groups >= 1,
          "[conv2d] expected kernel, stride and groups >= 1 and padding >= 0 but got kernel {}x{}, stride {}x{}, padding {}x{}, groups {}.",
          kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, groups);
  require(x.rank() == 4, "[conv2d] expected an input (N,H,W,C) but got {}.", x);
  require(x[3] >= 1 && outputs >= 1 && x[3] % groups == 0 && outputs % groups == 0,
          "[conv2d] expected input and output channels that {} group(s) divide but got {} and {}.", groups, x[3], outputs);
  const Shape y{x[0], output_extent(x[1], kernel_h, stride_h, pad_h), output_extent(x[2], kernel_w, stride_w, pad_w), outputs};
  require(y[1] >= 1 && y[2] >= 1, "[conv2d] a kernel of {}x{} does not fit into {} with padding {}x{}; pad more or use a larger image.",
          kernel_h, kernel_w, x, pad_h, pad_w);
  return y;
}

void check_conv2d(const Conv2dOptions& options, const Tensor& x, const Tensor& w, const Tensor& y) {
  require(w.rank() == 4, "[conv2d] expected weights (O,kh,kw,C/groups) but got {}.", w.shape());
  const Shape output = options.output_shape(x.shape(), w.extent(0));
  const Shape weights = options.weight_shape(x.extent(3), w.extent(0));
  require(w.shape() == weights, "[conv2d] expected weights {} but got {}.", weights, w.shape());
  require(y.shape() == output, "[conv2d] expected outputs {} but got {}.", output, y.shape());
}

void conv2d_forward(Cpu& cpu, const Conv2dOptions& options, const Tensor& x, const Tensor& w, const Tensor& bias, const Tensor& y) {
  check_conv2d(options, x, w, y);
  const std::int64_t outputs = w.extent(0), group_outputs = outputs / options.groups, group_channels = w.extent(3);
  require(!bias.defined() || bias.shape() == Shape{outputs}, "[conv2d] expected a bias {} but got {}.", Shape{outputs}, bias.shape());
  with_float(x.dtype(), "conv2d", [&]<class T>() {
    const Window window = forward_window(options, x.shape(), y.shape());
    for (std::int64_t group = 0; group < options.groups; ++group) {
      const std::int64_t first = group * group_outputs;
      correlate<T>(cpu, {.window = window,
                         .images = x.extent(0),
                         .source = {x.data<T>().data() + group * group_channels, x.extent(3)},
                         .source_channels = group_channels,
                         .weights = {.data = w.data<T>().data() + first * w.shape().count_from(1),
                                     .tap_row_step = w.shape().count_from(2),
                                     .tap_column_step = group_channels,
                                     .source_step = 1,
                                     .target_step = w.shape().count_from(1)},
                         .bias = bias.defined() ? bias.data<T>().data() + first : nullptr,
                         .target = {.data = y.data<T>().data() + first,
                                    .image_step = y.shape().count_from(1),
                                    .row_step = y.shape().count_from(2),
                                    .column_step = outputs,
                                    .channels = group_outputs},
                         .write = Write::assign});
    }
  });
}

namespace {

/// One dimension of a phase of the data gradient. The input positions i with (i + pad) mod stride == phase meet only the
/// taps phase, phase + stride, ..., and with them every tap of theirs at consecutive outputs: seen from these positions
/// the gradient is a correlation of stride 1 with every stride-th tap in reverse, a gather with no two writers.
struct Phase {
  std::int64_t first;      // the first input position
  std::int64_t positions;  // how many there are, `stride` apart
  std::int64_t taps;
  std::int64_t last_tap;  // the kernel's tap that comes first in reverse
  std::int64_t origin;    // the output position that the last tap meets at the first input position

  Phase(std::int64_t phase, std::int64_t input, std::int64_t kernel, std::int64_t stride, std::int64_t pad) {
    first = ((phase - pad) % stride + stride) % stride;
    positions = first < input ? (input - 1 - first) / stride + 1 : 0;
    taps = phase < kernel ? (kernel - 1 - phase) / stride + 1 : 0;
    last_tap = phase + (taps - 1) * stride;
    origin = (first + pad) / stride - (taps - 1);
  }
};

}  // namespace

void conv2d_backward_data(Cpu& cpu, const Conv2dOptions& options, const Tensor& dy, const Tensor& w, const Gradient& dx) {
  if (!dx) return;
  const Tensor& x = dx.tensor;
  check_conv2d(options, x, w, dy);
  const std::int64_t outputs = w.extent(0), group_outputs = outputs / options.groups, group_channels = w.extent(3);
  with_float(x.dtype(), "conv2d", [&]<class T>() {
    for (std::int64_t phase_h = 0; phase_h < options.stride_h; ++phase_h) {
      for (std::int64_t phase_w = 0; phase_w < options.stride_w; ++phase_w) {
        const Phase rows(phase_h, x.extent(1), options.kernel_h, options.stride_h, options.pad_h);
        const Phase columns(phase_w, x.extent(2), options.kernel_w, options.stride_w, options.pad_w);
        const Window window{.source_h = dy.extent(1),
                            .source_w = dy.extent(2),
                            .target_h = rows.positions,
                            .target_w = columns.positions,
                            .taps_h = rows.taps,
                            .taps_w = columns.taps,
                            .stride_h = 1,
                            .stride_w = 1,
                            .origin_h = rows.origin,
                            .origin_w = columns.origin};
        for (std::int64_t group = 0; group < options.groups; ++group) {
          const T* weights = w.data<T>().data() + group * group_outputs * w.shape().count_from(1);
          T* target = dx.tensor.data<T>().data() + (rows.first * x.extent(2) + columns.first) * x.extent(3) + group * group_channels;
          correlate<T>(cpu, {.window = window,
                             .images = x.extent(0),
                             .source = {dy.data<T>().data() + group * group_outputs, outputs},
                             .source_channels = group_outputs,
                             .weights = {.data = weights + (rows.last_tap * options.kernel_w + columns.last_tap) * group_channels,
                                         .tap_row_step = -options.stride_h * options.kernel_w * group_channels,
                                         .tap_column_step = -options.stride_w * group_channels,
                                         .source_step = w.shape().count_from(1),
                                         .target_step = 1},
                             .bias = nullptr,
                             .target = {.data = target,
                                        .image_step = x.shape().count_from(1),
                                        .row_step = options.stride_h * x.shape().count_from(2),
                                        .column_step = options.stride_w * x.extent(3),
                                        .channels = group_channels},
                             .write = dx.write});
        }
      }
    }
  });
}

}  // namespace amnet
