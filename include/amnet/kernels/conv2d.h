// Two-dimensional convolution (cross-correlation, as the field calls it) on channels-last tensors:
//   y(n,i,j,o) = bias(o) + sum over a,b,c of w(o,a,b,c) * x(n, i*stride.height + a*dilation.height - pad.height,
//                                                              j*stride.width + b*dilation.width - pad.width, c),
// where x is zero outside of the image. With groups, output o reads only the channels of its own
// group. The gradients are those of this sum: Dumoulin and Visin, "A guide to convolution
// arithmetic for deep learning" (arXiv 1603.07285), chapters 4 and 5.
//
//   const Conv2dGeometry geometry{.kernel = 3, .pad = 1};
//   Tensor y(geometry.output_shape(x.shape(), 64), x.dtype());
//   conv2d_forward(cpu, geometry, x, w, {}, y);
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/extents.h>
#include <amnet/core/gradient.h>

#include <fmt/format.h>

#include <string>
#include <utility>

namespace amnet {

/// The geometry of a convolution, in pixels.
struct Conv2dGeometry {
  Extents kernel = 1, stride = 1;
  Extents pad = 0;          ///< zeros on each side
  std::int64_t groups = 1;  ///< divides the channels of the input and of the output
  Extents dilation = 1;     ///< from one tap of the kernel to the next

  /// floor((input + 2 pad - dilation (kernel - 1) - 1) / stride) + 1; 0 or less where the kernel
  /// does not fit.
  static constexpr std::int64_t output_extent(std::int64_t input, std::int64_t kernel, std::int64_t stride, std::int64_t pad,
                                              std::int64_t dilation = 1) {
    const std::int64_t room = input + 2 * pad - dilation * (kernel - 1) - 1;
    return room < 0 ? 0 : room / stride + 1;
  }
  /// (N,H,W,C) to (N,OH,OW,O). Throws UsageError for an invalid geometry or a kernel that does not
  /// fit.
  Shape output_shape(const Shape& x, std::int64_t outputs) const;
  /// (O, kernel.height, kernel.width, C/groups)
  Shape weight_shape(std::int64_t channels, std::int64_t outputs) const {
    return {outputs, kernel.height, kernel.width, channels / groups};
  }
};

/// The passes that read the weights.
enum class Conv2dPass : unsigned char { forward, data_gradient };

/// What the kernels of one pass read instead of the weights: a function of the shapes and the
/// backend.
struct Conv2dForm {
  int tile_h = 0, tile_w = 0;  ///< outputs of a tile; 0: none, computed directly
  DType dtype = DType::f32;    ///< of the factors of the products

  friend bool operator==(const Conv2dForm&, const Conv2dForm&) = default;
  /// "4x6 f32"
  std::string str() const { return fmt::format("{}x{} {}", tile_h, tile_w, name_of(dtype)); }
};

/// The form for calls of `pass` whose inputs x (N,H,W,C) have up to as many images as `x`; `dtype`
/// is the weights'.
Conv2dForm conv2d_form(const Cpu& cpu, const Conv2dGeometry& geometry, const Shape& x, std::int64_t outputs, DType dtype, Conv2dPass pass);
Conv2dForm conv2d_form(const Cuda& cuda, const Conv2dGeometry& geometry, const Shape& x, std::int64_t outputs, DType dtype,
                       Conv2dPass pass);

/// The weights in that form, for many calls with the same values; conv2d_prepare makes it. It also
/// fixes the algorithm, so that calls with few images compute as those with many.
struct Conv2dPrepared {
  Conv2dForm form = {};
  /// in the order of the backend's kernels; undefined where they read the weights as they are
  Tensor transformed = {};
};

/// w (O,kh,kw,C/groups), and what else is known about it.
struct Conv2dWeights {
  Tensor values;
  const Conv2dPrepared* prepared = nullptr;
  /// For weights that are not prepared and a call with fewer images: the number of images for which
  /// a CPU chooses the algorithm, so that a row's bits do not depend on the other rows of the call.
  std::int64_t images = 0;

  Conv2dWeights(Tensor weights, const Conv2dPrepared* made = nullptr, std::int64_t planned_images = 0)
      : values(std::move(weights)), prepared(made), images(planned_images) {}
  Conv2dWeights() = default;
};

/// Prepares the weights w for calls of `pass` whose inputs x (N,H,W,C) have up to as many images as
/// `x`; the memory of `prepared` is used again. Call it again whenever w has changed. A backend of
/// ProductPrecision::bf16 prepares weights of f32 for the forward pass in bf16, and calls with them
/// multiply in bf16; weights that were not prepared, and all direct convolutions, are multiplied as
/// they are.
void conv2d_prepare(Cpu& cpu, const Conv2dGeometry& geometry, const Shape& x, const Tensor& w, Conv2dPass pass, Conv2dPrepared& prepared);
void conv2d_prepare(Cuda& cuda, const Conv2dGeometry& geometry, const Shape& x, const Tensor& w, Conv2dPass pass, Conv2dPrepared& prepared);

/// The bytes that conv2d_prepare will take.
std::size_t conv2d_prepared_bytes(const Cpu& cpu, const Conv2dGeometry& geometry, const Shape& x, std::int64_t outputs, DType dtype,
                                  Conv2dPass pass);
std::size_t conv2d_prepared_bytes(const Cuda& cuda, const Conv2dGeometry& geometry, const Shape& x, std::int64_t outputs, DType dtype,
                                  Conv2dPass pass);

/// What follows the sums in the same step: y = residual + prelu(sums + bias). Undefined tensors are
/// left out.
struct Conv2dEpilogue {
  Tensor bias = {};      ///< (O)
  Tensor slope = {};     ///< of a PReLU: (O), or (1) for all channels
  Tensor residual = {};  ///< as y
  Tensor sums = {};      ///< as y: where sums + bias is kept, for a backward pass through the PReLU
};

/// x (N,H,W,C), w (O,kh,kw,C/groups) prepared for the forward pass or not, y (N,OH,OW,O), all of
/// one floating-point dtype. Throws UsageError when a shape does not follow from the others.
void conv2d_forward(Cpu& cpu, const Conv2dGeometry& geometry, const Tensor& x, const Conv2dWeights& w, const Conv2dEpilogue& epilogue,
                    const Tensor& y);
void conv2d_forward(Cuda& cuda, const Conv2dGeometry& geometry, const Tensor& x, const Conv2dWeights& w, const Conv2dEpilogue& epilogue,
                    const Tensor& y);

/// What the backward pass needs of a PReLU that followed the sums: dz = dy * prelu'(sums), where
/// prelu' is 1 above 0 and the slope elsewhere.
struct Conv2dActivation {
  Tensor slope = {};  ///< (O) or (1); undefined: there was none, and dz is dy
  Tensor sums = {};   ///< as y: what forward kept
  Tensor dz = {};     ///< as y: room for dz; not dy itself, which the residual may still need
};

struct Conv2dGradients {
  Gradient dx = {};      ///< (N,H,W,C)
  Gradient dw = {};      ///< (O,kh,kw,C/groups)
  Gradient dbias = {};   ///< (O): the sum of dz
  Gradient dslope = {};  ///< as the slope: the sum of dy * sums where sums <= 0
};

/// x may be undefined where dw is skipped, w where dx is; w may be prepared for the data gradient.
/// The residual's gradient is dy itself. The order of every sum depends on the shapes alone, never
/// on the number of threads. Throws UsageError for a backend of ProductPrecision::bf16, and when a
/// shape does not follow from the others.
void conv2d_backward(Cpu& cpu, const Conv2dGeometry& geometry, const Tensor& x, const Conv2dWeights& w, const Conv2dActivation& activation,
                     const Tensor& dy, const Conv2dGradients& gradients);
void conv2d_backward(Cuda& cuda, const Conv2dGeometry& geometry, const Tensor& x, const Conv2dWeights& w,
                     const Conv2dActivation& activation, const Tensor& dy, const Conv2dGradients& gradients);

/// The scratch memory that the forward pass, and with `training` every pass, takes for an input x
/// (N,H,W,C): for a forecast. For a direct convolution it is an estimate, of its packed weights.
ScratchBytes conv2d_scratch(const Cpu& cpu, const Conv2dGeometry& geometry, const Shape& x, std::int64_t outputs, DType dtype,
                            bool training);
ScratchBytes conv2d_scratch(const Cuda& cuda, const Conv2dGeometry& geometry, const Shape& x, std::int64_t outputs, DType dtype,
                            bool training);

}  // namespace amnet
