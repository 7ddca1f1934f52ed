#include <amnet/kernels/flatten.h>

#include <numeric>

#include "catch.h"
#include "values.h"

using namespace amnet;

TEST_CASE("flatten: rows in C,H,W order", "[flatten]") {
  Cpu cpu(2);
  const std::int64_t height = 3, width = 7, channels = 18;
  Tensor x({2, height, width, channels}, DType::f32);
  std::iota(x.data<float>().begin(), x.data<float>().end(), 0.0F);
  const Tensor y({2, height * width * channels}, DType::f32), back(x.shape(), DType::f32);
  flatten_forward(cpu, x, y);
  for (std::int64_t n = 0, at = 0; n < 2; ++n) {
    for (std::int64_t c = 0; c < channels; ++c) {
      for (std::int64_t h = 0; h < height; ++h) {
        for (std::int64_t w = 0; w < width; ++w, ++at) {
          REQUIRE(y.data<float>()[static_cast<std::size_t>(at)] == static_cast<float>(((n * height + h) * width + w) * channels + c));
        }
      }
    }
  }
  flatten_backward(cpu, y, {back, Write::assign});
  CHECK(values_of<float>(back) == values_of<float>(x));
}
