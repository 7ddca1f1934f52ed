// What a training run refuses because the GPU has too little memory, and what it reports when
// memory runs out in spite of the checks.
#include <functional>
#include <optional>
#include <string>

#include "catch.h"
#include "fake_cuda.h"
#include "trainings.h"

using namespace amnet;

namespace {

/// Leaves so many bytes of device memory free; all of them are free again at the end.
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

std::string message_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const MemoryError& error) {
    return error.what();
  }
  return "nothing";
}

}  // namespace

TEST_CASE("trainer: a batch that is too large is refused with the largest that fits", "[gpu]") {
  Trainings trainings;
  const std::size_t before = fake::allocations();
  const std::size_t fits = trainings.forecast(trainings.options("a", 6)), too_large = trainings.forecast(trainings.options("a", 7));
  REQUIRE(too_large > fits + 10'000);
  const Capacity capacity((fits + too_large) / 2);
  for (const std::int64_t batch : {7, 8, 31, 256}) {
    const FaceTraining options = trainings.options(fmt::format("b{}", batch), batch);
    CHECK_THAT(message_of([&] { trainings.run(options); }),
               Catch::StartsWith(fmt::format("[train] a batch of {} wants ", batch)) && Catch::Contains(" MB are free; pass .batch 6,"));
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
             Catch::StartsWith("[train] a batch of 4 wants ") && Catch::Contains("pass .batch 3, the largest that fits."));
  fake::fail_nothing();
  // All memory that the network leaves is in fact taken.
  std::optional<Capacity> nothing_left;
  const auto fill = [&](std::string_view line) {
    if (line.find(" GPU memory: ") != std::string_view::npos) nothing_left.emplace(0);
  };
  CHECK_THAT(message_of([&] { trainings.run(trainings.options("b"), {}, fill); }),
             Catch::StartsWith("[train] a batch of 4 wants ") && Catch::Contains(" but 0.0 MB are free; pass .batch "));
  CHECK(fake::allocations() == before);
}

TEST_CASE("trainer: a training set that does not fit is refused before it is read", "[gpu]") {
  Trainings trainings;
  const FaceTraining options = with_cache(trainings.options("a"));
  const std::size_t enough = trainings.forecast(options);
  const std::size_t before = fake::allocations();
  {
    const Capacity capacity(enough - 1);
    CHECK_THAT(message_of([&] { trainings.run(options); }),
               Catch::StartsWith(".cache: the 12 images of the training set want 0.0 MB of the GPU's memory but training leaves 0.0 MB"));
    CHECK_FALSE(trainings.told("Cached"));
  }
  CHECK(fake::allocations() == before);
  const Capacity capacity(enough);
  CHECK(trainings.run(with_cache(trainings.options("b"))).step == 3);
}
