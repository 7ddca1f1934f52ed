// Convolutions and fully connected layers at the network's shapes. The unit of a convolution is the
// floating-point operations of its defining sum, whatever algorithm the kernel uses: an algorithm
// with fewer multiplications may exceed 100 % of the peak.
#include <amnet/kernels/conv2d.h>
#include <amnet/kernels/fully_connected.h>

#include "measure.h"
#include "network_shapes.h"

namespace amnet::bench {
namespace {

/// A 3x3 convolution from one stage's activation to another's, all three passes.
void add_convolution(Bench& bench, const std::string& name, const Stage& from, const Stage& to, std::int64_t stride) {
  const Conv2dGeometry geometry{.kernel = 3, .stride = stride, .pad = 1};
  const Shape x_shape{batch, from.height, from.width, from.channels}, y_shape{batch, to.height, to.width, to.channels};
  const Shape w_shape = geometry.weight_shape(from.channels, to.channels);
  const Cost cost{.flops = 2.0 * static_cast<double>(y_shape.count() * w_shape.count_from(1))};

  add_case(bench, name + "/forward", cost, [&bench, geometry, x_shape, w_shape, y_shape] {
    return [&bench, geometry, x = random_tensor(x_shape), w = random_tensor(w_shape), y = Tensor(y_shape, DType::f32)] {
      conv2d_forward(bench.cpu, geometry, x, w, {}, y);
    };
  });
  if (from.channels != image.channels) {  // the gradient of the pixels is not needed
    add_case(bench, name + "/backward_data", cost, [&bench, geometry, x_shape, w_shape, y_shape] {
      return
          [&bench, geometry, dy = random_tensor(y_shape), w = random_tensor(w_shape),
           dx = Gradient{Tensor(x_shape, DType::f32), Write::assign}] { conv2d_backward(bench.cpu, geometry, {}, w, {}, dy, {.dx = dx}); };
    });
  }
  add_case(bench, name + "/backward_weights", cost, [&bench, geometry, x_shape, w_shape, y_shape] {
    return [&bench, geometry, x = random_tensor(x_shape), dy = random_tensor(y_shape),
            dw = Gradient{Tensor(w_shape, DType::f32), Write::assign}] { conv2d_backward(bench.cpu, geometry, x, {}, {}, dy, {.dw = dw}); };
  });
}

/// y (batch,outputs) = x (batch,inputs) w^T, all three passes. With 32 rows these are limited by
/// reading or writing w.
void add_product(Bench& bench, const std::string& name, std::int64_t inputs, std::int64_t outputs) {
  const Shape x_shape{batch, inputs}, w_shape{outputs, inputs}, y_shape{batch, outputs};
  const Cost cost{.flops = 2.0 * static_cast<double>(batch * w_shape.count()),
                  .bytes = 4.0 * static_cast<double>(x_shape.count() + w_shape.count() + y_shape.count())};

  add_case(bench, name + "/forward", cost, [&bench, x_shape, w_shape, y_shape] {
    return [&bench, x = random_tensor(x_shape), w = random_tensor(w_shape), y = Tensor(y_shape, DType::f32)] {
      fully_connected_forward(bench.cpu, x, w, {}, y);
    };
  });
  add_case(bench, name + "/backward_data", cost, [&bench, x_shape, w_shape, y_shape] {
    return [&bench, dy = random_tensor(y_shape), w = random_tensor(w_shape), dx = Gradient{Tensor(x_shape, DType::f32), Write::assign}] {
      fully_connected_backward_data(bench.cpu, dy, w, dx);
    };
  });
  add_case(bench, name + "/backward_weights", cost, [&bench, x_shape, w_shape, y_shape] {
    return [&bench, x = random_tensor(x_shape), dy = random_tensor(y_shape), dw = Gradient{Tensor(w_shape, DType::f32), Write::assign}] {
      fully_connected_backward_weights(bench.cpu, x, dy, dw);
    };
  });
}

}  // namespace

void add_convolutions(Bench& bench) {
  const Stage* before = &image;
  for (const Stage& stage : stages) {
    add_convolution(bench, std::string("conv2d/") + stage.name + "_stride2", *before, stage, 2);
    add_convolution(bench, std::string("conv2d/") + stage.name, stage, stage, 1);
    before = &stage;
  }
}

void add_fully_connected(Bench& bench) {
  add_product(bench, "fully_connected/fc5", flat, embedding);
  for (const std::int64_t classes : head_classes) add_product(bench, "fully_connected/head_" + std::to_string(classes), embedding, classes);
}

}  // namespace amnet::bench
