// Transposed convolution ("deconvolution") on channels-last tensors, on a CPU: the data gradient of
// the convolution with the same geometry, as a forward pass. Pixel (i,j) of x adds to the pixels of
// y that the convolution would read for it:
//   y(n, i*stride.height + a*dilation.height - pad.height, j*stride.width + b*dilation.width - pad.width, o) += w(c,a,b,o) * x(n,i,j,c).
// Dumoulin and Visin, "A guide to convolution arithmetic for deep learning" (arXiv 1603.07285),
// chapter 4.
//
//   const Conv2dGeometry geometry{.kernel = 4, .stride = 2, .pad = 1};
//   Tensor y(conv2d_transpose_output_shape(geometry, x.shape(), 8), x.dtype());   // (N,H,W,C) to (N,2H,2W,8)
//   conv2d_transpose_forward(cpu, geometry, x, w, {}, y);
#pragma once

#include <amnet/kernels/conv2d.h>

namespace amnet {

/// (N,H,W,C) to (N,OH,OW,O), OH = (H - 1) stride + dilation (kernel - 1) + 1 - 2 pad. Throws
/// UsageError for an invalid geometry or one that leaves no pixel.
Shape conv2d_transpose_output_shape(const Conv2dGeometry& geometry, const Shape& x, std::int64_t outputs);

/// x (N,H,W,C), w (C,kh,kw,O/groups) not prepared, bias (O) or undefined, y (N,OH,OW,O), all of one
/// floating-point dtype. A Cpu of bf16 computes it in f32.
void conv2d_transpose_forward(Cpu& cpu, const Conv2dGeometry& geometry, const Tensor& x, const Conv2dWeights& w, const Tensor& bias,
                              const Tensor& y);

struct Conv2dTransposeGradients {
  Gradient dx = {};     ///< (N,H,W,C)
  Gradient dw = {};     ///< (C,kh,kw,O/groups)
  Gradient dbias = {};  ///< (O)
};

/// dx is the convolution of dy; dw and dbias are sums over all pixels.
void conv2d_transpose_backward(Cpu& cpu, const Conv2dGeometry& geometry, const Tensor& x, const Conv2dWeights& w, const Tensor& dy,
                               const Conv2dTransposeGradients& gradients);

}  // namespace amnet
