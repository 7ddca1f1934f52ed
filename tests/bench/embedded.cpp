// What a program that embeds the engine gets of its speed: steps of the face network on random
// input, in the manner of `train_face bench`. Compiled with the library and with amnet as one
// header, and compared by turns: ./run bench single.
//
//   embedded bench [--forward-only] --batch N --iterations N --width W --depth D --threads T --json FILE
#if defined(AMNET_IMPLEMENTATION)
#include "amnet.h"
#else
#include <amnet/amnet.h>
#endif

#include <fmt/format.h>

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <string>
#include <vector>

using namespace amnet;

namespace {

void fill(const Tensor& images, const Tensor* labels, std::int64_t classes) {
  const Random random(1, stream_of("embedded"));
  std::uint64_t index = 0;
  for (float& value : images.data<float>()) value = static_cast<float>(random.uniform(index++) * 2 - 1);
  if (labels == nullptr) return;
  for (std::int64_t& label : labels->data<std::int64_t>()) {
    label = static_cast<std::int64_t>(random.below(index++, static_cast<std::uint64_t>(classes)));
  }
}

double seconds_of(const auto& step) {
  const auto begin = std::chrono::steady_clock::now();
  step();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

int main(int argc, char** argv) try {
  std::map<std::string, std::string> values = {{"--batch", "32"}, {"--iterations", "3"}, {"--width", "1"},
                                               {"--depth", "20"}, {"--threads", "0"},    {"--json", ""}};
  bool forward_only = false;
  for (int i = 2; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--forward-only") {
      forward_only = true;
    } else {
      require(values.contains(flag) && i + 1 < argc, "embedded: expected one of its flags with a value but got '{}'.", flag);
      values[flag] = argv[++i];
    }
  }
  const std::int64_t batch = std::stoll(values["--batch"]), classes = 10572;

  Device device = Cpu(std::stoi(values["--threads"]));
  Model model = face_network({.depth = std::stoi(values["--depth"]), .width = std::stod(values["--width"])});
  if (!forward_only) add_head(model, {.classes = classes});
  model.net.initialise(1);
  Plan plan(model.net,
            forward_only ? PlanOptions{.batch = batch, .keep = {model.embedding()}} : PlanOptions{.batch = batch, .loss = model.loss()});
  const Tensor labels = forward_only ? Tensor() : plan.value(model.labels());
  fill(plan.value(model.images()), forward_only ? nullptr : &labels, classes);
  Solver solver(model.net, {});
  const auto step = [&] {
    plan.forward(device, {.step = {.number = 0, .seed = 1}});
    if (forward_only) return;
    plan.backward(device);
    solver.step(device, plan, 1e-4);
  };

  step();
  step();
  double best = seconds_of(step);
  for (int i = 1; i < std::stoi(values["--iterations"]); ++i) best = std::min(best, seconds_of(step));
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const std::string json = fmt::format("{{\"images_per_second_best\": {}, \"peak_rss_mb\": {}}}\n", static_cast<double>(batch) / best,
                                       static_cast<double>(usage.ru_maxrss) / 1024);
  if (values["--json"].empty()) {
    fmt::print("{}", json);
  } else {
    write_durably(values["--json"], json);
  }
  return 0;
} catch (const std::exception& error) {
  fmt::print(stderr, "embedded: {}\n", error.what());
  return 1;
}
