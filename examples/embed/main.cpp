// amnet inside another program: a small net that learns to distinguish four patterns.
#include <amnet/amnet.h>

#include <cstdio>

int main() try {
  using namespace amnet;
  constexpr std::int64_t batch = 8, classes = 4;

  Net net;
  const Value images = net.input("images", {1, 8, 8, 3});
  const Value labels = net.input("labels", {1}, DType::i64);
  const Value conv = net.add("conv", Conv2d(6, 3, {.pad = 1}), {images});
  const Value flat = net.add("flatten", Flatten(), {net.add("relu", PRelu(), {conv})});
  const Value logits = net.add("fc", FullyConnected(classes), {flat});
  const Value loss = net.add("loss", SoftmaxCrossEntropy(), {logits, labels});
  net.initialise(1);
  Plan plan(net, {.batch = batch, .loss = loss});

  // The class of an image is the number of its bright quadrant.
  const Random noise(2);
  const auto pixels = plan.value(images).data<float>();  // (8,8,8,3)
  const auto classes_of = plan.value(labels).data<std::int64_t>();
  std::size_t i = 0;
  for (std::int64_t n = 0; n < batch; ++n) {
    const std::int64_t label = classes_of[static_cast<std::size_t>(n)] = n % classes;
    for (int y = 0; y < 8; ++y) {
      for (int x = 0; x < 8; ++x) {
        const bool bright = (y / 4) * 2 + x / 4 == label;
        for (int channel = 0; channel < 3; ++channel, ++i) pixels[i] = static_cast<float>((bright ? 0.5 : -0.5) + 0.3 * noise.normal(i));
      }
    }
  }

  Device device = Cpu(1);
  Solver solver(net, {.momentum = 0.9, .weight_decay = 0});
  double first = 0, last = 0;
  for (int step = 0; step < 30; ++step) {
    plan.forward(device);
    last = plan.value(loss).item();
    if (step == 0) first = last;
    plan.backward(device);
    solver.step(device, plan, 0.02);
  }
  std::printf("amnet %s, %s: loss %.3f before training, %.3f after\n", AMNET_VERSION, simd_level(), first, last);
  return last < 0.5 * first ? 0 : 1;
} catch (const amnet::Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return error.exit_code();
}
