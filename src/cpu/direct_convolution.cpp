#include "direct_convolution.h"

#include "correlation.h"

namespace amnet {

template <class T>
void direct_forward(Cpu& cpu, const Conv2dGeometry& geometry, const Tensor& x, const Tensor& w, const Shape& y,
                    const Epilogue<T>& epilogue) {
  const std::int64_t outputs = w.extent(0), group_outputs = outputs / geometry.groups, group_channels = w.extent(3);
  for (std::int64_t group = 0; group < geometry.groups; ++group) {
    const std::int64_t first = group * group_outputs;
    correlate<T>(
        cpu,
        {.window = forward_window(geometry, x.shape(), y),
         .images = x.extent(0),
         .source = {x.data<T>().data() + group * group_channels, x.extent(3)},
         .source_channels = group_channels,
         .weights = {.data = w.data<T>().data() + first * w.shape().count_from(1),
                     .tap_row_stride = w.shape().count_from(2),
                     .tap_column_stride = group_channels,
                     .source_stride = 1,
                     .target_stride = w.shape().count_from(1)},
         .target = {.image_stride = y.count_from(1), .row_stride = y.count_from(2), .column_stride = outputs, .channels = group_outputs},
         .epilogue = epilogue.from_channel(first)});
  }
}

template void direct_forward(Cpu&, const Conv2dGeometry&, const Tensor&, const Tensor&, const Shape&, const Epilogue<float>&);
template void direct_forward(Cpu&, const Conv2dGeometry&, const Tensor&, const Tensor&, const Shape&, const Epilogue<double>&);

namespace {

/// One dimension of a phase of the data gradient. The input positions i with (i + pad) mod stride
/// == phase use only the taps phase, phase + stride, ..., and each of these taps at consecutive
/// outputs: for these positions the gradient is a correlation of stride 1 with every stride-th tap
/// in reverse, a gather in which each element has one writer.
struct Phase {
  std::int64_t first;      // the first input position
  std::int64_t positions;  // how many there are, `stride` apart
  std::int64_t taps;
  std::int64_t last_tap;  // the kernel's tap that comes first in reverse
  std::int64_t origin;    // the output position of the last tap at the first input position

  Phase(std::int64_t phase, std::int64_t input, std::int64_t kernel, std::int64_t stride, std::int64_t pad) {
    first = ((phase - pad) % stride + stride) % stride;
    positions = first < input ? (input - 1 - first) / stride + 1 : 0;
    taps = phase < kernel ? (kernel - 1 - phase) / stride + 1 : 0;
    last_tap = phase + (taps - 1) * stride;
    origin = (first + pad) / stride - (taps - 1);
  }
};

}  // namespace

void direct_backward_data(Cpu& cpu, const Conv2dGeometry& geometry, const Tensor& dy, const Tensor& w, const Gradient& dx) {
  const Tensor& x = dx.tensor;
  const std::int64_t outputs = w.extent(0), group_outputs = outputs / geometry.groups, group_channels = w.extent(3);
  with_float(x.dtype(), "conv2d", [&]<class T>() {
    for (std::int64_t phase_h = 0; phase_h < geometry.stride.height; ++phase_h) {
      for (std::int64_t phase_w = 0; phase_w < geometry.stride.width; ++phase_w) {
        const Phase rows(phase_h, x.extent(1), geometry.kernel.height, geometry.stride.height, geometry.pad.height);
        const Phase columns(phase_w, x.extent(2), geometry.kernel.width, geometry.stride.width, geometry.pad.width);
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
        for (std::int64_t group = 0; group < geometry.groups; ++group) {
          const T* weights = w.data<T>().data() + group * group_outputs * w.shape().count_from(1);
          T* target = dx.tensor.data<T>().data() + (rows.first * x.extent(2) + columns.first) * x.extent(3) + group * group_channels;
          correlate<T>(cpu, {.window = window,
                             .images = x.extent(0),
                             .source = {dy.data<T>().data() + group * group_outputs, outputs},
                             .source_channels = group_outputs,
                             .weights = {.data = weights + (rows.last_tap * geometry.kernel.width + columns.last_tap) * group_channels,
                                         .tap_row_stride = -geometry.stride.height * geometry.kernel.width * group_channels,
                                         .tap_column_stride = -geometry.stride.width * group_channels,
                                         .source_stride = w.shape().count_from(1),
                                         .target_stride = 1},
                             .target = {.image_stride = x.shape().count_from(1),
                                        .row_stride = geometry.stride.height * x.shape().count_from(2),
                                        .column_stride = geometry.stride.width * x.extent(3),
                                        .channels = group_channels},
                             .epilogue = {.y = target, .write = dx.write}});
        }
      }
    }
  });
}

}  // namespace amnet
