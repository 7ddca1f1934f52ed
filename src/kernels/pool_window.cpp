#include <amnet/kernels/pool.h>

namespace amnet {

std::int64_t pooled_extent(std::int64_t extent, std::int64_t kernel, std::int64_t stride, std::int64_t pad, bool round_up) {
  require(kernel >= 1 && stride >= 1 && pad >= 0 && pad < kernel,
          "[pool] expected a window >= 1, a stride >= 1 and a padding in [0, window) but got {}, {} and {}.", kernel, stride, pad);
  const std::int64_t room = extent + 2 * pad - kernel;
  require(extent >= 1 && (room >= 0 || round_up), "[pool] a window of {} does not fit into {} pixels with a padding of {}.", kernel, extent,
          pad);
  if (room < 0) return 1;
  std::int64_t pooled = (round_up ? (room + stride - 1) / stride : room / stride) + 1;
  while ((pooled - 1) * stride >= extent + pad) --pooled;
  return pooled;
}

Shape PoolWindow::output_shape(const Shape& x) const {
  return {x[0], pooled_extent(x[1], kernel.height, stride.height, pad.height, round_up),
          pooled_extent(x[2], kernel.width, stride.width, pad.width, round_up), x[3]};
}

}  // namespace amnet
