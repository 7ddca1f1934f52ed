#include <amnet/kernels/conv2d_transpose.h>

namespace amnet {

Shape conv2d_transpose_output_shape(const Conv2dGeometry& geometry, const Shape& x, std::int64_t outputs) {
  const auto& [kernel, stride, pad, groups, dilation] = geometry;
  const auto at_least = [](const Extents& extents, std::int64_t least) { return extents.height >= least && extents.width >= least; };
  require(at_least(kernel, 1) && at_least(stride, 1) && at_least(dilation, 1) && at_least(pad, 0) && groups >= 1,
          "[conv2d_transpose] expected kernel, stride, dilation and groups >= 1 and padding >= 0 but got kernel {}, stride {}, dilation "
          "{}, padding {}, groups {}.",
          kernel, stride, dilation, pad, groups);
  require(x.rank() == 4 && x[1] >= 1 && x[2] >= 1, "[conv2d_transpose] expected an input (N,H,W,C) but got {}.", x);
  require(x[3] >= 1 && outputs >= 1 && x[3] % groups == 0 && outputs % groups == 0,
          "[conv2d_transpose] expected input and output channels that {} group(s) divide but got {} and {}.", groups, x[3], outputs);
  const Shape y{x[0], (x[1] - 1) * stride.height + dilation.height * (kernel.height - 1) + 1 - 2 * pad.height,
                (x[2] - 1) * stride.width + dilation.width * (kernel.width - 1) + 1 - 2 * pad.width, outputs};
  require(y[1] >= 1 && y[2] >= 1,
          "[conv2d_transpose] a padding of {} leaves no pixel of the output for {}; pad less or use a larger image.", pad, x);
  return y;
}

}  // namespace amnet
