// Whole training runs on the GPU: what they say of its memory and refuse for want of it, and a training set that lies there.
#include <amnet/io/checkpoint.h>
#include <amnet/io/durable_file.h>
#include <amnet/train/trainer.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "catch.h"
#include "data/test_images.h"
#include "parity.h"

#if defined(AMNET_EMULATION)
#include "emulation/fake_cuda.h"
#endif

using namespace amnet;
using test_images::TemporaryFolder;

namespace {

constexpr std::int64_t height = 24, width = 20;
constexpr int people = 4, images_of_each = 3, images = people * images_of_each;

Cuda gpu() { return Cuda({.deterministic = true}); }

/// A small set and runs over it.
struct Trainings {
  Trainings() {
    for (int i = 0; i < images; ++i) {
      const Image image = test_images::picture(height, width, static_cast<std::uint64_t>(i) + 1);
      folder.write(fmt::format("faces/p{}/{}.png", i / images_of_each, i), test_images::png_of(image));
    }
  }

  TrainOptions options(const std::string& name, std::int64_t batch = 4) const {
    TrainOptions options;
    options.root = folder.path() / "faces";
    options.out = folder.path() / name;
    options.input = {.height = height, .width = width};
    options.network = {.depth = 4, .width = 0.0625, .embedding = 16};
    options.batch = batch;
    options.accumulate = 2;
    options.iterations = 3;
    options.log_every = 1;
    options.workers = 2;
    return options;
  }

  /// Trains, and keeps what was told. `poll` is asked what the outside asks.
  TrainOutcome run(const TrainOptions& options, const std::function<TrainRequest()>& poll = {},
                   const std::function<void(std::string_view)>& on_line = {}) {
    log.clear();
    progress.clear();
    Device device = gpu();
    return train(device, options,
                 {.log =
                      [&](std::string_view line) {
                        log += std::string(line) + "\n";
                        if (on_line) on_line(line);
                      },
                  .progress = [&](const TrainProgress& now) { progress.push_back(now); },
                  .poll = poll});
  }

  bool told(std::string_view text) const { return log.find(text) != std::string::npos; }

  /// What a run of that batch says it will take.
  std::size_t forecast(const TrainOptions& options) {
    TrainOptions one = options;
    one.iterations = 1;
    one.out += fmt::format("-forecast-{}", options.batch);
    run(one);
    const std::string environment = read_file(one.out / "environment.json"), key = "\"device_memory_forecast_bytes\": ";
    return std::stoull(environment.substr(environment.find(key) + key.size()));
  }

  TemporaryFolder folder;
  std::string log;
  std::vector<TrainProgress> progress;
};

/// Model, momentum and state of a checkpoint.
std::vector<std::string> bytes_of(const TrainOutcome& outcome) {
  std::vector<std::string> bytes;
  for (const char* file : {"model.safetensors", "solver.safetensors", "state.json"}) bytes.push_back(read_file(outcome.checkpoint / file));
  return bytes;
}

TrainOptions with_cache(TrainOptions options) {
  options.cache = ImageCache::device;
  return options;
}

std::string message_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const MemoryError& error) {
    return error.what();
  }
  return "nothing";
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
    trainings.folder.write("faces/p3/11.png", test_images::png_of(test_images::picture(height, width + 1)));
    TrainOptions plain = trainings.options("plain"), cached = with_cache(trainings.options("cached"));
    plain.skip_bad_images = cached.skip_bad_images = true;
    const std::vector<std::string> expected = bytes_of(trainings.run(plain));
    CHECK_FALSE(trainings.told("Cached"));
    CHECK(bytes_of(trainings.run(cached)) == expected);
    CHECK(trainings.told("Cached 12 images in the GPU's memory"));
    for (const char* bad : {"p1/4.png is not an image", "p3/11.png is 24x21 pixels"}) CHECK(trainings.told(bad));
    const TrainProgress& first = trainings.progress.front();
    CHECK((first.activity == "caching" && first.step == images && first.steps == images && first.seconds_left == 0));

    // Stopped after a step, and before the first one.
    TrainOptions halves = cached;
    halves.out = trainings.folder.path() / "halves";
    halves.checkpoint_every = 1000;
    const auto after_a_step = [&] { return trainings.progress.back().activity == "training" ? TrainRequest::stop : TrainRequest::none; };
    CHECK(trainings.run(halves, after_a_step).step == 1);
    halves.resume = "auto";
    CHECK(bytes_of(trainings.run(halves)) == expected);
    CHECK(trainings.told("at step 1"));

    TrainOptions early = cached;
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

#if defined(AMNET_EMULATION)
namespace {

/// So many bytes of device memory beyond what is taken; all of them again at the end.
class Capacity {
 public:
  explicit Capacity(std::size_t free) {
    const DeviceMemory now = device_memory();
    total_ = now.total;
    fake::set_device_bytes(now.total - now.free + free);
  }
  ~Capacity() { fake::set_device_bytes(total_); }
  Capacity(const Capacity&) = delete;
  Capacity& operator=(const Capacity&) = delete;

 private:
  std::size_t total_;
};

}  // namespace

TEST_CASE("trainer: a batch that is too large is refused with the largest that fits", "[gpu]") {
  Trainings trainings;
  const std::size_t before = fake::allocations();
  const std::size_t fits = trainings.forecast(trainings.options("a", 6)), too_large = trainings.forecast(trainings.options("a", 7));
  REQUIRE(too_large > fits + 10'000);
  const Capacity capacity((fits + too_large) / 2);
  for (const std::int64_t batch : {7, 8, 31, 256}) {
    const TrainOptions options = trainings.options(fmt::format("b{}", batch), batch);
    CHECK_THAT(message_of([&] { trainings.run(options); }),
               Catch::StartsWith(fmt::format("[train] a batch of {} wants ", batch)) && Catch::Contains(" MB are free; pass --batch 6,"));
    CHECK_THAT(read_file(options.out / "train.log"), Catch::Contains("Ended by an error: [train] a batch of"));
    CHECK(fake::allocations() == before);
  }
  CHECK(trainings.run(trainings.options("c", 6)).step == 3);
}

TEST_CASE("trainer: memory that is gone when it is wanted is told with the batch that would have fit", "[gpu]") {
  Trainings trainings;
  const std::size_t before = fake::allocations();
  const auto take_away = [](std::string_view line) {
    if (line.find(" GPU memory: ") != std::string_view::npos) fake::fail("cudaMalloc", 1, cudaErrorMemoryAllocation);
  };
  CHECK_THAT(message_of([&] { trainings.run(trainings.options("a"), {}, take_away); }),
             Catch::StartsWith("[train] a batch of 4 wants ") && Catch::Contains("pass --batch 3, the largest that fits."));
  fake::fail_nothing();
  // Really gone, and all but the network with it.
  std::optional<Capacity> nothing_left;
  const auto fill = [&](std::string_view line) {
    if (line.find(" GPU memory: ") != std::string_view::npos) nothing_left.emplace(0);
  };
  CHECK_THAT(message_of([&] { trainings.run(trainings.options("b"), {}, fill); }),
             Catch::StartsWith("[train] a batch of 4 wants ") && Catch::Contains(" but 0.0 MB are free; pass --batch "));
  CHECK(fake::allocations() == before);
}

TEST_CASE("trainer: a training set that does not fit is refused before it is read", "[gpu]") {
  Trainings trainings;
  const TrainOptions options = with_cache(trainings.options("a"));
  const std::size_t enough = trainings.forecast(options);
  const std::size_t before = fake::allocations();
  {
    const Capacity capacity(enough - 1);
    CHECK_THAT(message_of([&] { trainings.run(options); }),
               Catch::StartsWith("--cache: the 12 images of the training set want 0.0 MB of the GPU's memory but training leaves 0.0 MB"));
    CHECK_FALSE(trainings.told("Cached"));
  }
  CHECK(fake::allocations() == before);
  const Capacity capacity(enough);
  CHECK(trainings.run(with_cache(trainings.options("b"))).step == 3);
}
#endif
