#include <amnet/kernels/conv2d.h>

namespace amnet {

Shape Conv2dGeometry::output_shape(const Shape& x, std::int64_t outputs) const {
  const auto at_least = [](const Extents& extents, std::int64_t least) { return extents.height >= least && extents.width >= least; };
  require(at_least(kernel, 1) && at_least(stride, 1) && at_least(pad, 0) && groups >= 1,
          "[conv2d] expected kernel, stride and groups >= 1 and padding >= 0 but got kernel {}, stride {}, padding {}, groups {}.", kernel,
          stride, pad, groups);
  require(at_least(dilation, 1), "[conv2d] expected a dilation >= 1 but got {}.", dilation);
  require(x.rank() == 4, "[conv2d] expected an input (N,H,W,C) but got {}.", x);
  require(x[3] >= 1 && outputs >= 1 && x[3] % groups == 0 && outputs % groups == 0,
          "[conv2d] expected input and output channels that {} group(s) divide but got {} and {}.", groups, x[3], outputs);
  const Shape y{x[0], output_extent(x[1], kernel.height, stride.height, pad.height, dilation.height),
                output_extent(x[2], kernel.width, stride.width, pad.width, dilation.width), outputs};
  require(y[1] >= 1 && y[2] >= 1, "[conv2d] a kernel of {} does not fit into {} with padding {}; pad more or use a larger image.", kernel,
          x, pad);
  return y;
}

}  // namespace amnet
