#include "commands.h"
#include "compute_options.h"
#include "console.h"
#include "outputs.h"
#include "signals.h"

#include <amnet/core/build_info.h>
#include <amnet/core/text.h>
#include <amnet/faces/heads.h>
#include <amnet/faces/sphere_face.h>
#include <amnet/io/durable_file.h>
#include <amnet/kernels/image_input.h>
#include <amnet/kernels/replay.h>
#include <amnet/train/solver.h>

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <nlohmann/json.hpp>

using namespace amnet;

namespace {

struct BenchOptions {
  std::int64_t batch = 32, iterations = 10, steps_per_wait = 1, classes = 10516;
  int depth = 20;
  double width = 1;
  bool forward_only = false, profile = false;
  ComputeOptions compute;
  std::filesystem::path json;
};

double seconds_now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

double peak_megabytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

Tensor random_labels(std::int64_t batch, std::int64_t classes) {
  const Random random(1, stream_of("bench labels"));
  Tensor labels({batch}, DType::i64);
  std::uint64_t index = 0;
  for (std::int64_t& label : labels.data<std::int64_t>()) {
    label = static_cast<std::int64_t>(random.below(index++, static_cast<std::uint64_t>(classes)));
  }
  return labels;
}

void fill_with_random_images(Device& device, const Tensor& images) {
  const Random random(1, stream_of("bench images"));
  const Tensor pixels(images.shape(), DType::u8), flags = Tensor::zeros({images.extent(0)}, DType::u8, images.memory());
  std::uint64_t index = 0;
  for (std::uint8_t& pixel : pixels.data<std::uint8_t>()) pixel = static_cast<std::uint8_t>(random.below(index++, 256));
  on(device, [&](auto& backend) { image_input(backend, {}, pixels.to(images.memory()), flags, images); });
}

// Seconds of each counted step, after a warm-up. Where several steps are begun before waiting for
// the device, each has their mean time.
template <class StepBody, class Wait>
std::vector<double> time_steps(const BenchOptions& options, StepBody&& step, Wait&& wait) {
  constexpr int warm_up = 2;
  std::vector<double> seconds;
  for (std::int64_t i = 0; i < options.iterations + warm_up; ++i) {
    const double begin = seconds_now();
    stop_if_asked();
    for (std::int64_t s = 0; s < options.steps_per_wait; ++s) step();
    wait();
    if (i >= warm_up) seconds.push_back((seconds_now() - begin) / static_cast<double>(options.steps_per_wait));
  }
  std::ranges::sort(seconds);
  return seconds;
}

// What only a GPU can report: its memory, its libraries, and with --profile the time of each kernel
// in a step.
nlohmann::json told_by_gpu([[maybe_unused]] Device& device, [[maybe_unused]] const BenchOptions& options,
                           [[maybe_unused]] const std::function<void()>& step) {
  nlohmann::json told;
#if defined(AMNET_CUDA)
  auto* const cuda = std::get_if<Cuda>(&device);
  if (cuda == nullptr) return told;
  told = {{"device_mb", static_cast<double>(cuda->taken_bytes()) / 0x1p20}, {"gpu", cuda->name()}, {"libraries", cuda->libraries()}};
  if (!options.profile) return told;
  cuda->time_kernels(true);
  for (std::int64_t i = 0; i < options.iterations; ++i) step();
  const auto steps = static_cast<double>(options.iterations);
  nlohmann::json& kernels = told["kernels"] = nlohmann::json::array();
  for (const KernelTime& kernel : cuda->kernel_times()) {
    const double calls = static_cast<double>(kernel.calls) / steps, milliseconds = 1e3 * kernel.seconds / steps;
    kernels.push_back({{"name", kernel.name}, {"calls", calls}, {"ms", milliseconds}});
    answer(fmt::format("{:>9.4f} ms  {:>7.1f}  {}", milliseconds, calls, kernel.name));
  }
  cuda->time_kernels(false);
#endif
  return told;
}

}  // namespace

int bench_command(Arguments arguments) {
  BenchOptions options;
  CLI::App app("Times training steps, or embedding, of the network on random input.", "train_face bench");
  use_our_style(app,
                "  train_face bench --batch 64 --width 0.25 --threads 1\n"
                "  train_face bench --forward-only --json bench.json\n");
  begin_group(app, "Work");
  app.add_option("--batch", options.batch, "Images of a step")->check(CLI::Range(1, 100'000));
  app.add_option("--iterations", options.iterations, "Steps that are timed, after 2 of warm-up")->check(CLI::Range(1, 1'000'000));
  app.add_option("--steps-per-wait", options.steps_per_wait, "Steps that are begun before a GPU is waited for: one timed step is that many")
      ->check(CLI::Range(1, 10'000));
  app.add_option("--depth", options.depth, "Layers")->check(depths());
  app.add_option("--width", options.width, "Width multiplier")->check(CLI::Range(1e-3, 16.0));
  app.add_option("--classes", options.classes, "Classes of the head")->check(CLI::Range(1, 100'000'000));
  app.add_flag("--forward-only", options.forward_only, "Time embedding instead of training");
  begin_group(app, "Results");
  app.add_flag("--profile", options.profile, "Then as many steps again, for the milliseconds and calls a step of each kernel on a GPU");
  app.add_option("--json", options.json, "File for the numbers");
  add_compute_options(app, options.compute);
  if (!parse_arguments(app, std::move(arguments))) return 0;

  Outputs().writes("--json", options.json);
  Device device = make_device(options.compute, options.forward_only ? Purpose::embedding : Purpose::training);
  require(!options.profile || memory_of(device) != Memory::host,
          "--profile: times the kernels of a GPU; add --device cuda, or leave it out.");
  Model model = face_network({.depth = options.depth, .width = options.width}, {}, activation_dtype(device));
  if (!options.forward_only) add_head(model, {.classes = options.classes});
  model.net.initialise(1);
  model.net.move_to(memory_of(device));
  Plan plan(model.net, options.forward_only ? PlanOptions{.batch = options.batch, .keep = {model.embedding()}}
                                            : PlanOptions{.batch = options.batch, .loss = model.loss()});
  fill_with_random_images(device, plan.value(model.images()));
  if (!options.forward_only) plan.value(model.labels()).copy_from(random_labels(options.batch, options.classes));
  Solver solver(model.net, {});

  const std::unique_ptr<Replay> passes = on(device, [](auto& backend) { return make_replay(backend); });
  const auto step = [&] {
    passes->run([&] {
      plan.forward(device, {.step = {.number = 0, .seed = 1}});
      if (!options.forward_only) plan.backward(device);
      return plan.repeats();
    });
    if (!options.forward_only) solver.step(device, plan, 1e-4);
  };
  const std::vector<double> seconds = time_steps(options, step, [&] { on(device, [](auto& backend) { backend.wait(); }); });
  const double images = static_cast<double>(options.batch);
  const double median = images / seconds[seconds.size() / 2];
  const double best = images / seconds.front();
  stop_if_asked();
  answer(fmt::format("{}, depth {}, width {:g}, batch {}, {}, {}: {:.1f} images/s (median), {:.1f} (best), peak {:.0f} MB",
                     options.forward_only ? "embedding" : "training", options.depth, options.width, options.batch, description_of(device),
                     simd_level(), median, best, peak_megabytes()));
  const nlohmann::json of_gpu = told_by_gpu(device, options, step);
  if (!options.json.empty()) {
    nlohmann::json json = {{"images_per_second", median},
                           {"images_per_second_best", best},
                           {"peak_rss_mb", peak_megabytes()},
                           {"batch", options.batch},
                           {"device", description_of(device)},
                           {"precision", name_of(options.compute.precision)},
                           {"width", options.width},
                           {"depth", options.depth},
                           {"classes", options.forward_only ? 0 : options.classes},
                           {"forward_only", options.forward_only},
                           {"simd", build_info().simd},
                           {"compiler", build_info().compiler}};
    if (const auto* cpu = std::get_if<Cpu>(&device)) {
      json["threads"] = cpu->threads();
      json["convolution"] = name_of(cpu->convolution());
    }
    if (!of_gpu.is_null()) json.update(of_gpu);
    write_durably(options.json, json_text(json));
  }
  tell_convolutions(options.compute, device);
  return 0;
}
