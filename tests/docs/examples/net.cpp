#include "example.h"

using namespace amnet;

EXAMPLE("net/net.h") {
#include "example_of/net/net.h"
  CHECK(plan.value(active).shape() == Shape{32, 110, 94, 16});
}

EXAMPLE("net/plan.h") {
  Net net;
  const Value images = net.input("data", {1, 8, 8, 3}), labels = net.input("labels", {1}, DType::i64);
  const Value embedding = net.add("features", FullyConnected(4), {net.add("flat", Flatten(), {images})});
  const Value loss = net.add("loss", SoftmaxCrossEntropy(), {embedding, labels});
  net.initialise(1);
  Device device = Cpu(1);
  const Tensor batch = random_normal({32, 8, 8, 3}, 1).cast(DType::f32), batch_labels = Tensor::zeros({32}, DType::i64);
  const Step step{.number = 7, .seed = 1};
#include "example_of/net/plan.h"
  net.look([&](const std::string&, const Parameter& parameter) { CHECK(training.gradient(parameter).defined()); });
}

EXAMPLE("net/plan_cache.h") {
  Net net;
  const Value images = net.input("data", {1, 32, 32, 3});
  const Value scores = net.add("scores", Conv2d(2, 3), {images});
  net.initialise(1);
  Device device = Cpu(1);
  const std::vector<Shape> sizes = {{1, 32, 32, 3}, {1, 24, 24, 3}, {1, 32, 32, 3}};
#include "example_of/net/plan_cache.h"
  CHECK(plans.made() == 2);
}
