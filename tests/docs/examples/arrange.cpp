// The examples of the kernels and layers that arrange and transform values.
#include "example.h"

#include <array>
#include <cmath>

using namespace amnet;
using examples::values_of;

namespace {

Tensor drawn(Shape shape, std::uint64_t seed = 1) { return random_normal(shape, seed).cast(DType::f32); }

/// A net, with the values that examples of layers read.
struct Inputs {
  Net net;
  Value image = net.input("image", {1, 16, 12, 3}), conv = net.input("conv", {1, 8, 6, 16}), other = net.input("other", {1, 8, 6, 16});
  Value feature = net.input("feature", {1, 32}), logits = net.input("logits", {1, 10});
  Value mask = net.fixed_input("mask", {16, 12}, DType::f32);
};

}  // namespace

EXAMPLE("kernels/axis_part.h") {
  Cpu cpu(1);
#include "example_of/kernels/axis_part.h"
  CHECK(values_of(whole)[14] == 0);
}

EXAMPLE("kernels/broadcast.h") {
  Cpu cpu(1);
  const Tensor x = drawn({1, 2, 2, 3}), s = drawn({3}, 2), b = drawn({3}, 3), y(x.shape(), DType::f32), dy = drawn(x.shape(), 4);
  const Tensor dx(x.shape(), DType::f32), ds({3}, DType::f32), db({3}, DType::f32);
#include "example_of/kernels/broadcast.h"
  CHECK(values_of(y)[4] == Approx(values_of(x)[4] * values_of(s)[1] + values_of(b)[1]));
}

EXAMPLE("kernels/combine.h") {
  Cpu cpu(1);
  const Tensor x0 = drawn({2, 3}, 1), x1 = drawn({2, 3}, 2), dy = drawn({2, 3}, 3), y({2, 3}, DType::f32), dx1({2, 3}, DType::f32);
#include "example_of/kernels/combine.h"
  CHECK(values_of(y)[0] == Approx(values_of(x0)[0] * values_of(x1)[0]));
  CHECK(values_of(dx1)[0] == Approx(values_of(x0)[0] * values_of(dy)[0]));
}

EXAMPLE("kernels/permute.h") {
  Cpu cpu(1);
  const Tensor x = drawn({2, 3}), y({3, 2}, DType::f32), dy = y, dx({2, 3}, DType::f32);
#include "example_of/kernels/permute.h"
  CHECK(values_of(y)[1] == values_of(x)[3]);
  CHECK(values_of(dx) == values_of(x));
}

EXAMPLE("kernels/power.h") {
  Cpu cpu(1);
  const Tensor x = Tensor::of<float>({1}, {6}), dy = Tensor::of<float>({1}, {1}), y({1}, DType::f32), dx({1}, DType::f32);
#include "example_of/kernels/power.h"
  CHECK(y.item() == 9);
  CHECK(dx.item() == 3);
}

EXAMPLE("kernels/reduce.h") {
  Cpu cpu(1);
  const Tensor dy = drawn({2}), dx({2, 3, 4}, DType::f32);
#include "example_of/kernels/reduce.h"
  CHECK(values_of(dx)[0] == Approx(values_of(dy)[0] / 12));
}

EXAMPLE("kernels/sigmoid.h") {
  Cpu cpu(1);
  const Tensor x = Tensor::of<float>({1}, {0}), dy = Tensor::of<float>({1}, {4}), y({1}, DType::f32), dx({1}, DType::f32);
#include "example_of/kernels/sigmoid.h"
  CHECK(y.item() == 0.5);
  CHECK(dx.item() == 1);
}

EXAMPLE("kernels/softmax.h") {
  Cpu cpu(1);
  const Tensor x = Tensor::of<float>({1, 2}, {0, 0}), dy = Tensor::of<float>({1, 2}, {4, 0}), y({1, 2}, DType::f32), dx({1, 2}, DType::f32);
#include "example_of/kernels/softmax.h"
  CHECK(values_of(y) == std::vector<double>{0.5, 0.5});
  CHECK(values_of(dx) == std::vector<double>{1, -1});
}

EXAMPLE("kernels/tanh.h") {
  Cpu cpu(1);
  const Tensor x = Tensor::of<float>({1}, {0}), dy = Tensor::of<float>({1}, {4}), y({1}, DType::f32), dx({1}, DType::f32);
#include "example_of/kernels/tanh.h"
  CHECK(dx.item() == 4);
}

EXAMPLE("layers/broadcast.h") {
  auto [net, image, conv, other, feature, logits, mask] = Inputs();
#include "example_of/layers/broadcast.h"
  CHECK(net.spec(shown).shape == Shape{1, 16, 12, 3});
}

EXAMPLE("layers/combine.h") {
  auto [net, image, conv, other, feature, logits, mask] = Inputs();
#include "example_of/layers/combine.h"
  CHECK(net.spec(largest).shape == Shape{1, 8, 6, 16});
}

EXAMPLE("layers/concat.h") {
  auto [net, image, conv, other, feature, logits, mask] = Inputs();
#include "example_of/layers/concat.h"
  CHECK(net.spec(joined).shape == Shape{1, 8, 6, 32});
}

EXAMPLE("layers/fill.h") {
  Net net;
#include "example_of/layers/fill.h"
  CHECK(net.spec(noise).shape == Shape{8, 32});
}

EXAMPLE("layers/filler_values.h") {
  const std::uint64_t seed = 1;
#include "example_of/layers/filler_values.h"
  for (const double value : values) CHECK(std::abs(value) <= std::sqrt(3.0 / 32));
}

EXAMPLE("layers/parameter.h") {
  Net net;
#include "example_of/layers/parameter.h"
  CHECK(net.parameter_count() == 320);
}

EXAMPLE("layers/permute.h") {
  auto [net, image, conv, other, feature, logits, mask] = Inputs();
#include "example_of/layers/permute.h"
  CHECK(net.spec(planes).shape == Shape{1, 3, 16, 12});
}

EXAMPLE("layers/power.h") {
  auto [net, image, conv, other, feature, logits, mask] = Inputs();
#include "example_of/layers/power.h"
  CHECK(net.spec(squared).shape == Shape{1, 32});
}

EXAMPLE("layers/reduce.h") {
  auto [net, image, conv, other, feature, logits, mask] = Inputs();
#include "example_of/layers/reduce.h"
  CHECK(net.spec(mean).shape == Shape{1});
}

EXAMPLE("layers/reshape.h") {
  auto [net, image, conv, other, feature, logits, mask] = Inputs();
#include "example_of/layers/reshape.h"
  CHECK(net.spec(rows).shape == Shape{1, 576});
}

EXAMPLE("layers/sigmoid.h") {
  auto [net, image, conv, other, feature, logits, mask] = Inputs();
#include "example_of/layers/sigmoid.h"
  CHECK(net.spec(active).shape == Shape{1, 8, 6, 16});
}

EXAMPLE("layers/slice.h") {
  auto [net, image, conv, other, feature, logits, mask] = Inputs();
#include "example_of/layers/slice.h"
  CHECK(net.spec(second).shape == Shape{1, 8, 6, 8});
}

EXAMPLE("layers/softmax.h") {
  auto [net, image, conv, other, feature, logits, mask] = Inputs();
#include "example_of/layers/softmax.h"
  CHECK(net.spec(probabilities).shape == Shape{1, 10});
}

EXAMPLE("layers/stop_gradient.h") {
  auto [net, image, conv, other, feature, logits, mask] = Inputs();
#include "example_of/layers/stop_gradient.h"
  CHECK(net.spec(fixed).shape == Shape{1, 32});
}

EXAMPLE("layers/tanh.h") {
  auto [net, image, conv, other, feature, logits, mask] = Inputs();
#include "example_of/layers/tanh.h"
  CHECK(net.spec(active).shape == Shape{1, 8, 6, 16});
}
