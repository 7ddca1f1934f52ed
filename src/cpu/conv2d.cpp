#include "bfloat16.h"
#include "conv2d_tiles.h"
#include "dilated_convolution.h"
#include "direct_convolution.h"
#include "kernels/arguments.h"
#include "parallel.h"

#include <amnet/kernels/bias.h>

#include <algorithm>
#include <numeric>
#include <vector>

namespace amnet {
namespace {

/// One slope for each output, whether or not they are shared; empty for none.
template <class T>
std::vector<T> slopes_of(const Tensor& slope, std::int64_t outputs) {
  if (!slope.defined()) return {};
  const std::span<const T> values = slope.data<const T>();
  if (slope.count() == outputs) return {values.begin(), values.end()};
  return std::vector<T>(static_cast<std::size_t>(outputs), values[0]);
}

Conv2dTiles tiles_of(const Conv2dForm& form) {
  return {form.tile_h, form.tile_w, form.dtype == DType::bf16 ? ProductPrecision::bf16 : ProductPrecision::f32};
}

/// The precision of the products of prepared weights.
ProductPrecision products_of(const Cpu& cpu, Conv2dPass pass, DType dtype) {
  return pass == Conv2dPass::forward && dtype == DType::f32 ? cpu.precision() : ProductPrecision::f32;
}

/// Calls body.operator()<Factor>() with the type of the factors.
template <class T, class Body>
void with_factors(ProductPrecision products, Body&& body) {
  if constexpr (bf16_products && std::is_same_v<T, float>) {
    if (products == ProductPrecision::bf16) return body.template operator()<BFloat16>();
  }
  body.template operator()<T>();
}

/// The tiles for a call that reads the weights: those that these were prepared for, or the best for
/// this call.
Conv2dTiles tiles_for(const Cpu& cpu, const Conv2dGeometry& geometry, const Shape& x, std::int64_t outputs, const Conv2dWeights& w) {
  if (w.prepared != nullptr) return tiles_of(w.prepared->form);
  return choose_tiles(cpu.convolution(), geometry, x.with(0, std::max(x[0], w.images)), outputs);
}

template <class Factor>
const Factor* transformed_or_null(const Conv2dWeights& w) {
  return w.prepared == nullptr ? nullptr : w.prepared->transformed.data<const Factor>().data();
}

/// y, or dx, of a convolution with the input shape x: all but the tensors.
template <class T, class Factor = T>
WinogradCorrelation<T, Factor> correlation_task(Conv2dPass pass, const Conv2dGeometry& geometry, const Shape& x, std::int64_t outputs,
                                                const Conv2dTiles& tiles) {
  const Shape y = geometry.output_shape(x, outputs);
  if (pass == Conv2dPass::forward) {
    return {.grid = forward_grid<T>(geometry, x, y, tiles), .source_channels = x[3], .target_channels = outputs};
  }
  return {.grid = data_grid<T>(geometry, x, y, tiles), .source_channels = outputs, .target_channels = x[3]};
}

template <class T>
KernelView<T> kernels_of(Conv2dPass pass, const Conv2dGeometry& geometry, const Tensor& w) {
  return pass == Conv2dPass::forward ? forward_kernels<T>(w) : data_kernels<T>(geometry, w);
}

}  // namespace

Conv2dForm conv2d_form(const Cpu& cpu, const Conv2dGeometry& geometry, const Shape& x, std::int64_t outputs, DType dtype, Conv2dPass pass) {
  const Conv2dTiles tiles = choose_tiles(cpu.convolution(), geometry, x, outputs, WeightTransform::once, products_of(cpu, pass, dtype));
  return {tiles.h, tiles.w, tiles && tiles.products == ProductPrecision::bf16 ? DType::bf16 : dtype};
}

void conv2d_prepare(Cpu& cpu, const Conv2dGeometry& geometry, const Shape& x, const Tensor& w, Conv2dPass pass, Conv2dPrepared& prepared) {
  check_conv2d_weights(geometry, x, w, w.dtype());
  prepared.form = conv2d_form(cpu, geometry, x, w.extent(0), w.dtype(), pass);
  const Conv2dTiles tiles = tiles_of(prepared.form);
  if (!tiles) {
    prepared.transformed = {};
    return;
  }
  with_float(w.dtype(), "conv2d", [&]<class T>() {
    with_factors<T>(tiles.products, [&]<class Factor>() {
      auto task = correlation_task<T, Factor>(pass, geometry, x, w.extent(0), tiles);
      task.kernels = kernels_of<T>(pass, geometry, w);
      const Shape shape{winograd_kernel_elements(task)};
      constexpr DType dtype = dtype_of<Factor>();
      Tensor& transformed = prepared.transformed;
      if (!transformed.defined() || transformed.shape() != shape || transformed.dtype() != dtype) transformed = Tensor(shape, dtype);
      winograd_transform_kernels(cpu, task, transformed.data<Factor>().data());
    });
  });
}

std::size_t conv2d_prepared_bytes(const Cpu& cpu, const Conv2dGeometry& geometry, const Shape& x, std::int64_t outputs, DType dtype,
                                  Conv2dPass pass) {
  const Conv2dTiles tiles = tiles_of(conv2d_form(cpu, geometry, x, outputs, dtype, pass));
  if (!tiles) return 0;
  std::size_t bytes = 0;
  with_float(dtype, "conv2d", [&]<class T>() {
    with_factors<T>(tiles.products, [&]<class Factor>() {
      const auto elements = winograd_kernel_elements(correlation_task<T, Factor>(pass, geometry, x, outputs, tiles));
      bytes = static_cast<std::size_t>(elements) * sizeof(Factor);
    });
  });
  return bytes;
}

void conv2d_forward(Cpu& cpu, const Conv2dGeometry& geometry, const Tensor& x, const Conv2dWeights& weights, const Conv2dEpilogue& epilogue,
                    const Tensor& y) {
  const Tensor& w = weights.values;
  check_conv2d_forward(geometry, x, w, epilogue, y);
  const std::int64_t outputs = w.extent(0);
  if (y.count() == 0) return;
  with_float(x.dtype(), "conv2d", [&]<class T>() {
    const std::vector<T> slopes = slopes_of<T>(epilogue.slope, outputs);
    const Conv2dTiles tiles = tiles_for(cpu, geometry, x.shape(), outputs, weights);
    cpu.count(describe_convolution("forward", geometry, x.shape(), outputs, tiles));
    // The sums are read much later, by a backward pass. Tiles have whole vectors of channels, so
    // the stores are aligned.
    const Epilogue<T> end{.bias = elements_or_null<T>(epilogue.bias),
                          .slope = slopes.empty() ? nullptr : slopes.data(),
                          .residual = elements_or_null<T>(epilogue.residual),
                          .sums = elements_or_null<T>(epilogue.sums),
                          .y = y.data<T>().data(),
                          .stream_sums = tiles && epilogue.sums.defined()};
    if (tiles) {
      with_factors<T>(tiles.products, [&]<class Factor>() {
        auto task = correlation_task<T, Factor>(Conv2dPass::forward, geometry, x.shape(), outputs, tiles);
        task.source = x.data<T>().data();
        task.kernels = kernels_of<T>(Conv2dPass::forward, geometry, w);
        task.transformed = transformed_or_null<Factor>(weights);
        task.epilogue = end;
        winograd_correlate(cpu, task);
      });
    } else if (is_dilated(geometry)) {
      dilated_forward<T>(cpu, geometry, x, w, y.shape(), end);
    } else {
      direct_forward<T>(cpu, geometry, x, w, y.shape(), end);
    }
  });
}

namespace {

/// dx from dz.
template <class T>
void backward_data(Cpu& cpu, const Conv2dGeometry& geometry, const Tensor& dz, const Conv2dWeights& weights, const Gradient& dx) {
  const Shape& x = dx.tensor.shape();
  const std::int64_t outputs = weights.values.extent(0);
  const Conv2dTiles tiles = tiles_for(cpu, geometry, x, outputs, weights);
  cpu.count(describe_convolution("data gradient", geometry, x, outputs, tiles));
  if (tiles) {
    WinogradCorrelation<T> task = correlation_task<T>(Conv2dPass::data_gradient, geometry, x, outputs, tiles);
    task.source = dz.data<T>().data();
    task.kernels = kernels_of<T>(Conv2dPass::data_gradient, geometry, weights.values);
    task.transformed = transformed_or_null<T>(weights);
    task.epilogue = {.y = dx.tensor.data<T>().data(), .write = dx.write};
    winograd_correlate(cpu, task);
  } else if (is_dilated(geometry)) {
    dilated_backward_data(cpu, geometry, dz, weights.values, dx);
  } else {
    direct_backward_data(cpu, geometry, dz, weights.values, dx);
  }
}

/// Writes per-output sums as the gradient of a slope or a bias; a shared slope gets the sum of all.
template <class T>
void put_sums(const Gradient& gradient, std::span<const T> sums) {
  if (!gradient) return;
  const std::span<T> to = gradient.tensor.data<T>();
  if (to.size() == 1) {
    put(to[0], static_cast<T>(std::accumulate(sums.begin(), sums.end(), 0.0)), gradient.write);
  } else {
    for (std::size_t c = 0; c < to.size(); ++c) put(to[c], sums[c], gradient.write);
  }
}

/// dw, and in the same pass dz, dslope and dbias.
template <class T>
void tiled_backward_weights(Cpu& cpu, const Conv2dGeometry& geometry, const Conv2dTiles& tiles, const Tensor& x,
                            const Conv2dActivation& activation, const Tensor& dy, const Conv2dGradients& gradients) {
  const std::int64_t outputs = dy.extent(3);
  const std::vector<T> slopes = slopes_of<T>(activation.slope, outputs);
  std::vector<T> slope_sums(static_cast<std::size_t>(outputs)), bias_sums(slope_sums);
  const bool active = !slopes.empty();
  winograd_weight_gradient<T>(cpu, {.grid = forward_grid<T>(geometry, x.shape(), dy.shape(), tiles),
                                    .x = x.data<T>().data(),
                                    .channels = x.extent(3),
                                    .dy = dy.data<T>().data(),
                                    .outputs = outputs,
                                    .sums = active ? activation.sums.data<T>().data() : nullptr,
                                    .slope = active ? slopes.data() : nullptr,
                                    .dz = active && gradients.dx ? activation.dz.data<T>().data() : nullptr,
                                    .dslope = slope_sums.data(),
                                    .dbias = bias_sums.data(),
                                    .dw = gradients.dw.tensor.data<T>().data(),
                                    .write = gradients.dw.write});
  put_sums<T>(gradients.dslope, slope_sums);
  put_sums<T>(gradients.dbias, bias_sums);
}

/// dz, dslope and dbias in one pass over dy.
template <class T>
void activation_backward(Cpu& cpu, const Conv2dActivation& activation, const Tensor& dy, const Conv2dGradients& gradients) {
  const std::int64_t outputs = dy.extent(dy.rank() - 1);
  const std::vector<T> slopes = slopes_of<T>(activation.slope, outputs);
  std::vector<T> sums(2 * slopes.size());  // of the slopes, then of the biases
  sum_over_rows<T>(cpu, dy.count() / outputs, 2 * outputs, sums.data(), Write::assign,
                   [outputs, in = activation.sums.data<T>().data(), dout = dy.data<T>().data(), dz = activation.dz.data<T>().data(),
                    slope = slopes.data()](Rows range, T* slope_sum) {
                     T* bias_sum = slope_sum + outputs;
                     for (std::int64_t at = range.begin * outputs; at < range.end * outputs; at += outputs) {
                       std::int64_t c = 0;
                       for (; c + lanes<T> <= outputs; c += lanes<T>) {
                         const Vector<T> sum = load(in + at + c), gradient = load(dout + at + c);
                         const Vector<T> through = sum > 0 ? gradient : load(slope + c) * gradient;
                         store(slope_sum + c, load(slope_sum + c) + (sum > 0 ? Vector<T>{} : sum * gradient));
                         store(bias_sum + c, load(bias_sum + c) + through);
                         store(dz + at + c, through);
                       }
                       for (; c < outputs; ++c) {
                         const T sum = in[at + c], gradient = dout[at + c], through = sum > 0 ? gradient : slope[c] * gradient;
                         slope_sum[c] += sum > 0 ? T{0} : sum * gradient;
                         bias_sum[c] += through;
                         dz[at + c] = through;
                       }
                     }
                   });
  put_sums<T>(gradients.dslope, std::span(sums).first(slopes.size()));
  put_sums<T>(gradients.dbias, std::span(sums).last(slopes.size()));
}

}  // namespace

void conv2d_backward(Cpu& cpu, const Conv2dGeometry& geometry, const Tensor& x, const Conv2dWeights& w, const Conv2dActivation& activation,
                     const Tensor& dy, const Conv2dGradients& gradients) {
  const Gradient &dx = gradients.dx, &dw = gradients.dw, &dbias = gradients.dbias;
  check_conv2d_backward(geometry, x, w.values, activation, dy, gradients);
  require(cpu.precision() == ProductPrecision::f32,
          "[conv2d] expected f32 for a backward pass but this device has bf16, which is for "
          "embedding alone; train on a device with f32.");
  const std::int64_t outputs = dy.extent(dy.rank() - 1);
  const bool active = activation.slope.defined();
  with_float(dy.dtype(), "conv2d", [&]<class T>() {
    const Tensor& dz = active ? activation.dz : dy;
    const Conv2dTiles tiles = dw ? choose_tiles(cpu.convolution(), geometry, x.shape(), outputs) : Conv2dTiles{};
    if (dw) cpu.count(describe_convolution("weight gradient", geometry, x.shape(), outputs, tiles));
    if (tiles && dy.count() > 0) {
      tiled_backward_weights<T>(cpu, geometry, tiles, x, activation, dy, gradients);
    } else {
      if (active) {
        activation_backward<T>(cpu, activation, dy, gradients);
      } else {
        bias_backward(cpu, dy, dbias);
      }
      if (dw) (is_dilated(geometry) ? dilated_backward_weights : direct_backward_weights)(cpu, geometry, x, dz, dw);
    }
    if (dx && dx.tensor.count() > 0) backward_data<T>(cpu, geometry, dz, w, dx);
  });
}

ScratchBytes conv2d_scratch(const Cpu& cpu, const Conv2dGeometry& geometry, const Shape& x, std::int64_t outputs, DType dtype,
                            bool training) {
  const Conv2dTiles tiles = choose_tiles(cpu.convolution(), geometry, x, outputs);
  ScratchBytes bytes;
  if (!tiles) return {static_cast<std::size_t>(geometry.weight_shape(x[3], outputs).count()) * size_of(dtype), 0};
  with_float(dtype, "conv2d", [&]<class T>() {
    const auto correlation = [&](Conv2dPass pass) {
      return winograd_correlate_scratch(cpu.threads(), correlation_task<T>(pass, geometry, x, outputs, tiles));
    };
    bytes = correlation(Conv2dPass::forward);
    if (!training) return;
    const TileGrid<T> grid = forward_grid<T>(geometry, x, geometry.output_shape(x, outputs), tiles);
    bytes = bytes.covering(correlation(Conv2dPass::data_gradient));
    bytes = bytes.covering(winograd_weight_gradient_scratch<T>({.grid = grid, .channels = x[3], .outputs = outputs}));
  });
  return bytes;
}

}  // namespace amnet
