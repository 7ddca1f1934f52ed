// Whole runs of the trainer on the GPU: data, steps, verification, checkpoints, and resuming on the
// other device.
#include <amnet/faces/train_faces.h>
#include <amnet/model/model_file.h>

#include <cmath>
#include <string>

#include "catch.h"
#include "data/test_images.h"
#include "parity.h"

using namespace amnet;
using test_images::TemporaryFolder;

namespace {

constexpr int people = 5, photographs = 4;
constexpr std::int64_t steps = 6;

/// Small photographs of a few people in a folder each, and a list of pairs.
void write_faces(const TemporaryFolder& folder) {
  std::string pairs = "2\t2\n";
  for (int person = 0; person < people; ++person) {
    for (int number = 1; number <= photographs; ++number) {
      const Image image = test_images::picture(24, 20, static_cast<std::uint64_t>(100 * person + number));
      std::string ppm = "P6\n20 24\n255\n";
      for (std::size_t i = 0; i < image.pixels.size(); ++i) ppm += static_cast<char>(image.pixels[i] / 2 + 20 * person);
      folder.write(fmt::format("p{0}/p{0}_{1:04}.ppm", person, number), ppm);
    }
  }
  for (int fold = 0; fold < 2; ++fold) {
    const int a = 2 * fold, b = 2 * fold + 1;
    pairs += fmt::format("p{0}\t1\t2\np{1}\t3\t4\np{0}\t1\tp{1}\t2\np{0}\t3\tp{1}\t4\n", a, b);
  }
  folder.write("pairs.txt", pairs);
}

FaceTraining options_of(const TemporaryFolder& faces, const TemporaryFolder& runs, const std::string& out) {
  FaceTraining options;
  options.root = {faces.path()};
  options.val_root = faces.path();
  options.val_pairs = faces.path() / "pairs.txt";
  options.val_every = 3;
  options.input = {.height = 24, .width = 20};
  options.network = {.depth = 4, .width = 0.125, .embedding = 16};
  options.batch = 4;
  options.iterations = steps;
  options.learning_rate = 0.01;
  options.log_every = 2;
  options.checkpoint_every = 3;
  options.out = runs.path() / out;
  options.resume = "auto";
  return options;
}

/// Runs to the end, or to step `stop_at`.
TrainOutcome run(Device device, const FaceTraining& options, std::int64_t stop_at = steps) {
  std::int64_t step = 0;
  return train_faces(device, options,
                     {.progress = [&](const TrainProgress& progress) { step = progress.activity == "training" ? progress.step : step; },
                      .poll = [&] { return step >= stop_at ? TrainRequest::stop : TrainRequest::none; }});
}

/// The norm of the difference of two models' parameters divided by that of the first.
double relative_difference(const TrainOutcome& wanted, const TrainOutcome& found) {
  Model a = load_model(wanted.checkpoint), b = load_model(found.checkpoint);
  double difference = 0, norm = 0;
  std::vector<Tensor> values;
  a.net.visit([&](const std::string&, Parameter& parameter) { values.push_back(parameter.value); });
  std::size_t i = 0;
  b.net.visit([&](const std::string&, Parameter& parameter) {
    const std::span<const float> x = values[i++].data<const float>(), y = parameter.value.data<const float>();
    for (std::size_t k = 0; k < x.size(); ++k) difference += std::pow(x[k] - y[k], 2), norm += std::pow(x[k], 2);
  });
  return std::sqrt(difference / norm);
}

}  // namespace

TEMPLATE_TEST_CASE("trainer: a run on the GPU goes as on the CPU", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("trainer: a run", [](Parity& parity) {
    const TemporaryFolder faces, runs;
    write_faces(faces);
    const TrainOutcome here = run(Cpu(1, ConvolutionAlgorithm::direct), options_of(faces, runs, "cpu"));
    const TrainOutcome there = run(parity.cuda, options_of(faces, runs, "cuda"));
    CHECK(there.step == steps);
    REQUIRE(there.validation);
    CHECK(there.validation->step == here.validation->step);
    const double bound = TestType::precision == ProductPrecision::f32 ? 1e-4 : 5e-2;
    CHECK(there.meters["loss"] == Approx(here.meters["loss"]).epsilon(bound));
    CHECK(there.meters["feature_norm"] == Approx(here.meters["feature_norm"]).epsilon(bound));
    CHECK(relative_difference(here, there) < bound);
  });
}

TEST_CASE("trainer: a run goes on on another device", "[gpu]") {
  for_each_machine<F32>("trainer: resume", [](Parity& parity) {
    const TemporaryFolder faces, runs;
    write_faces(faces);
    const TrainOutcome whole = run(Cpu(1, ConvolutionAlgorithm::direct), options_of(faces, runs, "whole"));
    CHECK(run(parity.cuda, options_of(faces, runs, "down"), 4).stopped);
    const TrainOutcome down = run(Cpu(1, ConvolutionAlgorithm::direct), options_of(faces, runs, "down"));
    CHECK(run(Cpu(1, ConvolutionAlgorithm::direct), options_of(faces, runs, "up"), 4).stopped);
    const TrainOutcome up = run(parity.cuda, options_of(faces, runs, "up"));
    for (const TrainOutcome* resumed : {&down, &up}) {
      CHECK(resumed->step == steps);
      CHECK(relative_difference(whole, *resumed) < 1e-4);
    }
  });
}

TEST_CASE("trainer: a loss that is not finite ends the run at its step and leaves no checkpoint of it", "[gpu]") {
  for_each_machine<F32>("trainer: not finite", [](Parity& parity) {
    const TemporaryFolder faces, runs;
    write_faces(faces);
    FaceTraining options = options_of(faces, runs, "bad");
    options.learning_rate = 1e30;
    options.log_every = 1000;  // the host does not read results soon
    options.val_every = 0;
    CHECK_THROWS_WITH(run(parity.cuda, options), Catch::Contains("Step 2 is not finite, first of all in"));
    CHECK(std::filesystem::exists(options.out / "non_finite_batch.json"));
    CHECK(!std::filesystem::exists(options.out / "last"));
  });
}
