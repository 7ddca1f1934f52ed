// Whole training runs on the GPU: what they report about its memory, and a training set that is
// kept there.
#include <amnet/io/checkpoint.h>

#include <string>
#include <vector>

#include "catch.h"
#include "parity.h"
#include "trainings.h"

using namespace amnet;

namespace {

/// Model, momentum and state of a checkpoint.
std::vector<std::string> bytes_of(const TrainOutcome& outcome) {
  std::vector<std::string> bytes;
  for (const char* file : {"model.safetensors", "solver.safetensors", "state.json"}) bytes.push_back(read_file(outcome.checkpoint / file));
  return bytes;
}

}  // namespace

TEST_CASE("trainer: what a run will take of the GPU's memory is told beside what is free", "[gpu]") {
  for_each_machine<F32>("trainer: the forecast", [](Parity&) {
    Trainings trainings;
    const TrainOutcome outcome = trainings.run(trainings.options("plain"));
    CHECK(outcome.step == 3);
    CHECK(trainings.told(" GPU memory: "));
    CHECK(trainings.told(" MB are free\n"));
    CHECK(trainings.told(" Memory: "));
    const std::string environment = read_file(trainings.folder.path() / "plain/environment.json");
    CHECK(environment.find("\"device_memory_forecast_bytes\": ") != std::string::npos);
    CHECK(environment.find("\"device_memory_free_bytes\": ") != std::string::npos);
  });
}

TEST_CASE("trainer: a training set in the GPU's memory changes not one bit", "[gpu]") {
  for_each_machine<F32>("trainer: cache", [](Parity&) {
    Trainings trainings;
    trainings.folder.write("faces/p1/4.png", "not an image");
    trainings.folder.write("faces/p3/11.png", test_images::png_of(test_images::picture(Trainings::height, Trainings::width + 1)));
    FaceTraining plain = trainings.options("plain"), cached = with_cache(trainings.options("cached"));
    plain.skip_bad_images = cached.skip_bad_images = true;
    const std::vector<std::string> expected = bytes_of(trainings.run(plain));
    CHECK_FALSE(trainings.told("Cached"));
    CHECK(bytes_of(trainings.run(cached)) == expected);
    CHECK(trainings.told("Cached 12 images in the GPU's memory"));
    for (const char* bad : {"p1/4.png is not an image", "p3/11.png is 24x21 pixels"}) CHECK(trainings.told(bad));
    const TrainProgress& first = trainings.progress.front();
    CHECK((first.activity == "caching" && first.step == Trainings::images && first.steps == Trainings::images && first.seconds_left == 0));

    // Stopped after a step, and before the first one.
    FaceTraining halves = cached;
    halves.out = trainings.folder.path() / "halves";
    halves.checkpoint_every = 1000;
    const auto after_a_step = [&] { return trainings.progress.back().activity == "training" ? TrainRequest::stop : TrainRequest::none; };
    CHECK(trainings.run(halves, after_a_step).step == 1);
    halves.resume = "auto";
    CHECK(bytes_of(trainings.run(halves)) == expected);
    CHECK(trainings.told("at step 1"));

    FaceTraining early = cached;
    early.out = trainings.folder.path() / "early";
    const TrainOutcome none = trainings.run(early, [] { return TrainRequest::stop; });
    CHECK((none.stopped && none.step == 0 && none.checkpoint.filename() == checkpoint_name(0)));
    early.resume = "auto";
    CHECK(bytes_of(trainings.run(early)) == expected);

    cached.skip_bad_images = false;
    cached.out = trainings.folder.path() / "strict";
    CHECK_THROWS_WITH(trainings.run(cached), Catch::Contains("p1/4.png is not an image"));
    CHECK_FALSE(trainings.told("Step 1/"));
  });
}
