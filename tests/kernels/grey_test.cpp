// Grey images: the factors of the three channels in both orders, and the gradient.
#include <amnet/layers/grey.h>
#include <amnet/net/net.h>
#include <amnet/testing/gradcheck.h>

#include <vector>

#include "catch.h"

using namespace amnet;

TEST_CASE("grey: the luma of a pixel, in both orders of channels", "[grey]") {
  Cpu cpu(1);
  const Tensor x = Tensor::of<float>({1, 1, 2, 3}, {100, 10, 20, 0, 0, 50}), y({1, 1, 2, 1}, DType::f32);
  grey_forward(cpu, ChannelOrder::bgr, x, y);
  CHECK(y.data<float>()[0] == Approx(0.114 * 100 + 0.587 * 10 + 0.299 * 20));
  CHECK(y.data<float>()[1] == Approx(0.299 * 50));
  grey_forward(cpu, ChannelOrder::rgb, x, y);
  CHECK(y.data<float>()[1] == Approx(0.114 * 50));
}

TEST_CASE("grey: gradients are those of differences", "[grey][gradcheck]") {
  for (const ChannelOrder order : {ChannelOrder::bgr, ChannelOrder::rgb}) {
    Grey layer({.order = order});
    const std::vector<Tensor> inputs = {random_normal({2, 3, 4, 3}, 7)};
    const GradcheckResult result = gradcheck(layer, inputs);
    INFO(result.report());
    CHECK(result.passed());
  }
}

TEST_CASE("grey: an image of another number of channels is refused", "[grey]") {
  Net net;
  const Value image = net.input("x", {1, 4, 4, 1});
  CHECK_THROWS_WITH(net.add("grey", Grey(), {image}), Catch::Matchers::Contains("[grey] expected an input (N,H,W,3) but got (1,4,4,1)."));
}
