// Convolutions of a few shapes on both devices, with every algorithm that the GPU has for them.
#pragma once

#include <amnet/kernels/conv2d.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "catch.h"
#include "conv2d_plans.h"
#include "parity.h"
#include "state.h"

namespace amnet {

struct Layer {
  std::int64_t images, height, width, channels, outputs;
  std::int64_t kernel = 3, stride = 1, pad = 1, groups = 1;
  Extents dilation = 1;

  Conv2dGeometry geometry() const { return {.kernel = kernel, .stride = stride, .pad = pad, .groups = groups, .dilation = dilation}; }
  Shape x() const { return {images, height, width, channels}; }
  Shape w() const { return geometry().weight_shape(channels, outputs); }
  Shape y() const { return geometry().output_shape(x(), outputs); }
};

/// Numbers of channels that are whole packs and odd ones, the 3 channels of the pixels, strides,
/// one pixel, groups, a kernel of 1, more outputs than a block has threads, a dilation.
inline const Layer layers[] = {{2, 7, 6, 8, 16},
                               {1, 9, 8, 3, 8, 3, 2},
                               {2, 7, 6, 8, 8, 3, 2},
                               {1, 1, 1, 5, 7},
                               {3, 4, 5, 6, 6, 3, 1, 1, 6},
                               {1, 5, 4, 8, 16, 3, 2, 1, 2},
                               {2, 3, 3, 4, 300, 1, 1, 0},
                               {1, 7, 9, 8, 6, 3, 2, 2, 1, {2, 3}}};

/// Runs `body` once for each choice of candidates: with the first candidate of each operation, with
/// the second, ...
template <class Body>
void for_each_candidate(Parity& parity, Body&& body) {
  std::size_t most = 1;
  for (std::size_t number = 0; number < most; ++number) {
    INFO("candidate " << number);
    parity.cuda.wait();
    ConvolutionPlans& plans = *parity.cuda.state().convolutions;
    plans = {};
    plans.chooser = [&most, number](std::span<const ConvolutionChoice> candidates) {
      most = std::max(most, candidates.size());
      return std::min(number, candidates.size() - 1);
    };
    body();
  }
  *parity.cuda.state().convolutions = {};
}

/// The CPU for the comparison: plain sums, as exact as the GPU's.
inline Cpu direct() { return Cpu(1, ConvolutionAlgorithm::direct); }

struct Parts {
  bool bias = false, residual = false, sums = false;
  std::int64_t slopes = 0;  // none, one, or one for each output (-1)
};

inline void check_forward(Parity& parity, const Layer& layer, const Parts& parts) {
  const Both x = parity.activation(layer.x()), w = parity.parameter(layer.w()), y = parity.output(layer.y(), true);
  Conv2dEpilogue host, device;
  const auto add = [](Tensor& on_host, Tensor& on_device, const Both& both) { on_host = both.host, on_device = both.device; };
  if (parts.bias) add(host.bias, device.bias, parity.parameter({layer.outputs}));
  if (parts.slopes != 0) add(host.slope, device.slope, parity.parameter({parts.slopes < 0 ? layer.outputs : parts.slopes}));
  if (parts.residual) add(host.residual, device.residual, parity.activation(layer.y()));
  if (parts.sums) add(host.sums, device.sums, parity.output(layer.y(), true));
  Cpu cpu = direct();
  conv2d_forward(cpu, layer.geometry(), x.host, w.host, host, y.host);
  conv2d_forward(parity.cuda, layer.geometry(), x.device, w.device, device, y.device);
  parity.check_same(y);
  if (parts.sums) parity.check_same(Both{host.sums, device.sums});
}

struct Writes {
  Write x = Write::skip, w = Write::skip, bias = Write::skip, slope = Write::skip;
};

inline void check_backward(Parity& parity, const Layer& layer, const Writes& writes, std::int64_t slopes = 0) {
  const Both x = parity.activation(layer.x()), w = parity.parameter(layer.w());
  // summed over pixels; a single slope's gradient is summed to one number
  const Both dy = parity.activation(layer.y(), 3);
  const BothGradients dx = parity.gradient(x, writes.x), dw = parity.gradient(w, writes.w);
  const BothGradients dbias = parity.gradient(parity.parameter({layer.outputs}), writes.bias);
  Conv2dActivation host, device;
  BothGradients dslope;
  if (slopes != 0) {
    const Both slope = parity.parameter({slopes < 0 ? layer.outputs : slopes}), sums = parity.activation(layer.y());
    const Both dz = parity.output(layer.y(), true);
    host = {.slope = slope.host, .sums = sums.host, .dz = dz.host};
    device = {.slope = slope.device, .sums = sums.device, .dz = dz.device};
    dslope = parity.gradient(slope, writes.slope);
  }
  Cpu cpu = direct();
  conv2d_backward(cpu, layer.geometry(), x.host, w.host, host, dy.host,
                  {.dx = dx.host, .dw = dw.host, .dbias = dbias.host, .dslope = dslope.host});
  conv2d_backward(parity.cuda, layer.geometry(), x.device, w.device, device, dy.device,
                  {.dx = dx.device, .dw = dw.device, .dbias = dbias.device, .dslope = dslope.device});
  for (const BothGradients& gradient : {dx, dw, dbias, dslope}) parity.check_same(gradient);
  if (slopes != 0 && writes.x != Write::skip) parity.check_same(Both{host.dz, device.dz});
}

inline constexpr Parts all_parts{.bias = true, .residual = true, .sums = true, .slopes = -1}, no_parts{};

}  // namespace amnet
