// The rounding errors of every algorithm at the network's own 3x3 shapes and batch, against plain
// sums in double: the table of docs/numerics.md. `amnet_tests "conv2d: rounding errors*" -s` prints
// them.
//
// The sums are computed for a sample: one element of each of 4,000 equal parts of a tensor, drawn
// at random. The squares of 4,000 rounding errors have a mean that is known to 2-3 %, and so a
// relative L2 distance to half of that; the bar is further away. A fault in a few elements may not
// be detected: conv2d_test.cpp and conv2d_tiles_test.cpp compare every element, of smaller maps.
#include "bench/network_shapes.h"
#include "catch.h"

#include <amnet/core/random.h>
#include <amnet/kernels/conv2d.h>

#include <cmath>
#include <string>
#include <vector>

#include "cpu/conv2d_tiles.h"

using namespace amnet;

namespace {

constexpr double bar = 2e-5;
constexpr std::int64_t samples = 4000;

struct Layer {
  std::string name;
  Shape x;
  std::int64_t outputs, stride;

  Conv2dGeometry geometry() const { return {.kernel = 3, .stride = stride, .pad = 1}; }
};

std::vector<Layer> network_layers() {
  std::vector<Layer> layers;
  bench::Stage before = bench::image;
  for (const bench::Stage& stage : bench::stages) {
    const std::string name = stage.name;
    layers.push_back({name + ", stride 2", {bench::batch, before.height, before.width, before.channels}, stage.channels, 2});
    layers.push_back({name, {bench::batch, stage.height, stage.width, stage.channels}, stage.channels, 1});
    before = stage;
  }
  return layers;
}

Tensor normals(const Shape& shape, std::uint64_t seed) {
  const Random random(seed);
  Tensor values(shape, DType::f32);
  for (std::size_t i = 0; i < values.data<float>().size(); ++i) values.data<float>()[i] = static_cast<float>(random.normal(i));
  return values;
}

/// A view of four dimensions whose elements outside of the map are zero.
class Map {
 public:
  explicit Map(const Tensor& tensor) : shape_(tensor.shape()), data_(tensor.data<float>().data()) {}
  double operator()(std::int64_t n, std::int64_t i, std::int64_t j, std::int64_t c) const {
    if (i < 0 || i >= shape_[1] || j < 0 || j >= shape_[2]) return 0;
    return data_[((n * shape_[1] + i) * shape_[2] + j) * shape_[3] + c];
  }
  const Shape& shape() const { return shape_; }

 private:
  Shape shape_;
  const float* data_;
};

/// The defining sums, one element at a time. x: (N,H,W,C), w: (O,3,3,C), dy: (N,OH,OW,O).
struct PlainSums {
  Map x, w, dy;
  std::int64_t stride;

  double forward(std::int64_t n, std::int64_t i, std::int64_t j, std::int64_t o) const {
    double sum = 0;
    for (int a = 0; a < 3; ++a) {
      for (int b = 0; b < 3; ++b) {
        for (std::int64_t c = 0; c < x.shape()[3]; ++c) sum += w(o, a, b, c) * x(n, i * stride + a - 1, j * stride + b - 1, c);
      }
    }
    return sum;
  }

  /// Pixel (i,j) was read by output ((i+1-a)/stride, (j+1-b)/stride) through tap (a,b), where those
  /// are whole.
  double data_gradient(std::int64_t n, std::int64_t i, std::int64_t j, std::int64_t c) const {
    double sum = 0;
    for (int a = 0; a < 3; ++a) {
      for (int b = 0; b < 3; ++b) {
        if ((i + 1 - a) % stride != 0 || (j + 1 - b) % stride != 0) continue;
        for (std::int64_t o = 0; o < dy.shape()[3]; ++o) sum += dy(n, (i + 1 - a) / stride, (j + 1 - b) / stride, o) * w(o, a, b, c);
      }
    }
    return sum;
  }

  double weight_gradient(std::int64_t o, std::int64_t a, std::int64_t b, std::int64_t c) const {
    double sum = 0;
    for (std::int64_t n = 0; n < dy.shape()[0]; ++n) {
      for (std::int64_t i = 0; i < dy.shape()[1]; ++i) {
        for (std::int64_t j = 0; j < dy.shape()[2]; ++j) sum += dy(n, i, j, o) * x(n, i * stride + a - 1, j * stride + b - 1, c);
      }
    }
    return sum;
  }
};

/// The correct values of a tensor at the elements of the sample.
class Expected {
 public:
  template <class PlainSum>
  Expected(const Shape& shape, std::uint64_t seed, PlainSum&& plain_sum) {
    const Random random(seed);
    const std::int64_t parts = std::min(samples, shape.count());
    for (std::int64_t part = 0; part < parts; ++part) {
      const std::int64_t begin = part * shape.count() / parts, end = (part + 1) * shape.count() / parts;
      const std::int64_t at =
          begin + static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(part), static_cast<std::uint64_t>(end - begin)));
      const std::int64_t last = shape[3], third = shape[2], second = shape[1];
      at_.push_back(static_cast<std::size_t>(at));
      values_.push_back(plain_sum(at / last / third / second, at / last / third % second, at / last % third, at % last));
    }
  }

  double relative_distance(const Tensor& got) const {
    double difference = 0, size = 0;
    for (std::size_t i = 0; i < at_.size(); ++i) {
      difference += std::pow(got.data<float>()[at_[i]] - values_[i], 2);
      size += std::pow(values_[i], 2);
    }
    return std::sqrt(difference / size);
  }

 private:
  std::vector<std::size_t> at_;
  std::vector<double> values_;
};

}  // namespace

TEST_CASE("conv2d: rounding errors at the network's shapes and batch 32", "[conv2d][slow]") {
  for (const Layer& layer : network_layers()) {
    const Conv2dGeometry geometry = layer.geometry();
    const Tensor x = normals(layer.x, 1), w = normals(geometry.weight_shape(layer.x[3], layer.outputs), 2);
    const Tensor dy = normals(geometry.output_shape(layer.x, layer.outputs), 3);
    const PlainSums plain{Map(x), Map(w), Map(dy), layer.stride};
    const Expected y_expected(dy.shape(), 4, [&](auto... at) { return plain.forward(at...); });
    const Expected dx_expected(x.shape(), 5, [&](auto... at) { return plain.data_gradient(at...); });
    const Expected dw_expected(w.shape(), 6, [&](auto... at) { return plain.weight_gradient(at...); });

    const Tensor y(dy.shape(), DType::f32), dx(x.shape(), DType::f32), dw(w.shape(), DType::f32);
    for (const char* name : {"automatic", "direct", "tiles-2", "tiles-3", "tiles-4", "tiles-5", "tiles-6"}) {
      Cpu cpu(2, named<ConvolutionAlgorithm>(name, "algorithm"));
      const Conv2dTiles tiles = choose_tiles(cpu.convolution(), geometry, layer.x, layer.outputs);
      conv2d_forward(cpu, geometry, x, w, {}, y);
      conv2d_backward(cpu, geometry, x, w, {}, dy, {.dx = {dx, Write::assign}, .dw = {dw, Write::assign}});
      INFO(fmt::format("{}: {} ({}x{}), in units of 1e-6", layer.name, name, tiles.h, tiles.w));
      const double forward = y_expected.relative_distance(y) * 1e6;
      const double data_gradient = dx_expected.relative_distance(dx) * 1e6;
      const double weight_gradient = dw_expected.relative_distance(dw) * 1e6;
      CHECK(forward <= bar * 1e6);
      CHECK(data_gradient <= bar * 1e6);
      CHECK(weight_gradient <= bar * 1e6);
    }
  }
}
