#include "catch.h"

#include <amnet/faces/sphere_face.h>

#include <cmath>
#include <map>

using namespace amnet;

namespace {

std::map<std::string, Parameter*> parameters_of(Net& net) {
  std::map<std::string, Parameter*> parameters;
  net.visit([&](const std::string& name, Parameter& parameter) { parameters[name] = &parameter; });
  return parameters;
}

}  // namespace

TEST_CASE("sphere_face: the 20-layer network has 22,666,944 parameters without the head", "[sphere_face]") {
  Net net;
  sphere_face(net, net.input("data", {1, 112, 96, 3}), {.depth = 20});
  CHECK(net.parameter_count() == 22'666'944);
}

TEST_CASE("sphere_face: a depth is the number of convolutions", "[sphere_face]") {
  for (const int depth : {4, 10, 20, 36, 64}) {
    Net net;
    sphere_face(net, net.input("data", {1, 112, 112, 3}), {.depth = depth, .width = 0.03125});
    int convolutions = 0;
    net.visit([&](const std::string& name, Parameter&) { convolutions += name.starts_with("conv") && name.ends_with(".weight") ? 1 : 0; });
    CHECK(convolutions == depth);
  }
  Net net;
  CHECK_THROWS_WITH(sphere_face(net, net.input("data", {1, 112, 96, 3}), {.depth = 18}),
                    "[sphere_face] expected a depth of 4, 10, 20, 36 or 64 but got 18.");
}

TEST_CASE("sphere_face: maps, fillers and multipliers are the reference code's", "[sphere_face]") {
  Net net;
  const Value embedding = sphere_face(net, net.input("data", {2, 112, 96, 3}), {.depth = 20});
  CHECK(net.spec(net.find("conv1_1")).shape == Shape{2, 56, 48, 64});
  CHECK(net.spec(net.find("res2_5")).shape == Shape{2, 28, 24, 128});
  CHECK(net.spec(net.find("res3_9")).shape == Shape{2, 14, 12, 256});
  CHECK(net.spec(net.find("res4_3")).shape == Shape{2, 7, 6, 512});
  CHECK(net.spec(embedding).shape == Shape{2, 512});

  auto parameters = parameters_of(net);
  CHECK(parameters.contains("conv1_1.bias"));
  CHECK_FALSE(parameters.contains("conv1_2.bias"));
  CHECK(parameters.at("conv3_1.bias")->lr_mult == 2);
  CHECK(parameters.at("conv3_1.bias")->decay_mult == 0);
  CHECK(parameters.at("fc5.bias")->lr_mult == 2);
  CHECK(parameters.at("fc5.bias")->decay_mult == 0);
  CHECK(parameters.at("relu1_1.slope")->decay_mult == 1);
  CHECK(parameters.at("relu1_1.slope")->value.shape() == Shape{64});

  net.initialise(7);
  const auto moments = [&](const std::string& name) {
    double sum = 0;
    double square = 0;
    double most = 0;
    const std::span<float> values = parameters.at(name)->value.data<float>();
    for (const float value : values) {
      sum += double{value};
      square += double{value} * double{value};
      most = std::max(most, std::abs(double{value}));
    }
    const double n = static_cast<double>(values.size());
    return std::array<double, 3>{sum / n, std::sqrt(square / n), most};
  };
  const auto [mean, deviation, most] = moments("conv3_2.weight");
  CHECK(std::abs(mean) < 1e-4);
  CHECK(deviation == Approx(0.01).epsilon(0.01));
  const double bound = std::sqrt(3.0 / (128 * 9));  // fan-in of conv3_1
  CHECK(moments("conv3_1.weight")[2] <= bound);
  CHECK(moments("conv3_1.weight")[1] == Approx(bound / std::sqrt(3.0)).epsilon(0.01));
  CHECK(moments("relu4_3.slope")[2] == Approx(0.25));
}
