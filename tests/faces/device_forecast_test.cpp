#include <amnet/faces/device_forecast.h>
#include <amnet/faces/heads.h>
#include <amnet/faces/sphere_face.h>

#include <vector>

#include "catch.h"

using namespace amnet;

namespace {

/// A run as on a GPU, except for the memory: measured memory is not allocated.
struct Forecast {
  Net net;
  Value images = net.input("data", {1, 32, 32, 3});
  Value labels = net.input("labels", {1}, DType::i64);
  Value embedding = sphere_face(net, images, {.depth = 4, .width = 0.125, .embedding = 16});
  Head head = add_head(net, embedding, labels, {.classes = 10});
  Device device = Cpu(1, ConvolutionAlgorithm::direct);
  DeviceRun run{.net = net, .loss = head.loss, .keep = {embedding}, .device = device, .format = {.height = 32, .width = 32}};
};

}  // namespace

TEST_CASE("device forecast: the largest batch of so much for a run and so much for an image", "[device_forecast]") {
  for (const std::size_t fixed : {0U, 1U, 1000U, 123'456'789U}) {
    for (const std::size_t image : {1U, 7U, 5'000'000U}) {
      const auto bytes = [&](std::int64_t batch) { return fixed + image * static_cast<std::size_t>(batch); };
      for (const std::int64_t fits : {1, 2, 17, 163, 4095}) {
        for (const std::int64_t too_large : {fits + 1, fits + 2, 2 * fits + 5, std::int64_t{1'000'000}}) {
          int asked = 0;
          const auto counted = [&](std::int64_t batch) { return ++asked, bytes(batch); };
          CHECK(largest_batch(bytes(fits), too_large, counted) == fits);
          CHECK(asked <= 4);
          CHECK(largest_batch(bytes(fits + 1) - 1, too_large, bytes) == fits);
        }
      }
      CHECK(largest_batch(bytes(1) - 1, 256, bytes) == 0);
      CHECK(largest_batch(bytes(300), 256, bytes) == 255);  // less was missing than one image takes
      CHECK(largest_batch(bytes(1), 1, bytes) == 0);
    }
  }
}

TEST_CASE("device forecast: a batch that is named fits, though images do not all take as much", "[device_forecast]") {
  // Blocks are rounded up, and from 100 images on another algorithm needs its own memory.
  int asked = 0;
  const auto bytes = [&](std::int64_t batch) {
    ++asked;
    const auto images = static_cast<std::size_t>(batch);
    return 5000 + (images * 777 + 4095) / 4096 * 4096 + (images >= 100 ? images * 300 : 0);
  };
  for (std::size_t available = bytes(1); available < bytes(512); available += 1234) {
    asked = 0;
    const std::int64_t found = largest_batch(available, 512, bytes);
    CHECK(asked < 16);
    REQUIRE(found >= 1);
    CHECK(bytes(found) <= available);
    CHECK((found == 511 || bytes(found + 1) > available));
  }
  // the batch has no influence
  CHECK(largest_batch(1000, 256, [](std::int64_t) { return std::size_t{1000}; }) == 255);
}

TEST_CASE("device forecast: counts what a run takes, by purpose", "[device_forecast]") {
  Forecast one;
  const DeviceForecast forecast = forecast_device_memory(one.run, 6);
  const Plan plan(one.net, {.batch = 6, .loss = one.head.loss, .keep = {one.embedding}});
  CHECK(forecast.parameters == one.net.parameter_bytes() + 2 * one.net.gradient_bytes());
  CHECK(forecast.activations == plan.bytes());
  CHECK(forecast.kernels == plan.kernel_bytes(one.device));
  CHECK(forecast.uploads == 2 * 6 * (32 * 32 * 3 + 9));
  CHECK(forecast.verification == 0);
  CHECK(forecast.images == 0);
  CHECK(forecast.total() == forecast.parameters + forecast.activations + forecast.kernels + forecast.uploads + forecast.libraries);

  one.run.embedding = {.values = 1'000'000, .kernels = std::size_t{1} << 40};
  one.run.embedding_batch = 2;
  one.run.cached_images = 100;
  const DeviceForecast more = forecast_device_memory(one.run, 6);
  CHECK(more.kernels == std::size_t{1} << 40);  // the two networks use them in turn
  CHECK(more.verification == 1'000'000 + 2 * 32 * 32 * 3);
  CHECK(more.images == 100 * 32 * 32 * 3);
  CHECK(more.uploads == 2 * 6 * (8 + 9));

  const DeviceForecast round{.parameters = 300'000'000, .activations = 8'000'000'000, .uploads = 50'400'000, .libraries = 100'000'000};
  CHECK(round.str(79'000'000'000) ==
        "GPU memory: 8450 MB in all = parameters 300 MB + activations 8000 MB + uploads 50 MB + libraries 100 MB; 79000 MB are free");
}

TEST_CASE("device forecast: what does not fit is refused with what would", "[device_forecast]") {
  Forecast one;
  const auto total = [&](std::int64_t batch) { return forecast_device_memory(one.run, batch).total(); };
  const std::size_t enough = total(50);
  CHECK(require_device_memory(one.run, 50, enough).total() == enough);
  const std::size_t free = (total(20) + total(21)) / 2;
  CHECK_THROWS_WITH(require_device_memory(one.run, 50, free),
                    fmt::format("[train] a batch of 50 wants {:.1f} MB of the GPU's memory but {:.1f} MB are free; pass .batch 20, the "
                                "largest that fits.",
                                static_cast<double>(enough) / 1e6, static_cast<double>(free) / 1e6));
  CHECK_THROWS_AS(require_device_memory(one.run, 50, free), MemoryError);
  CHECK_THROWS_WITH(require_device_memory(one.run, 50, 1000),
                    Catch::Contains("not even one image would fit") && Catch::Contains(".network.width") && !Catch::Contains(".cache"));
  // A smaller batch must save the bytes that an allocation lacked.
  const std::size_t image = total(50) - total(49);
  const DeviceMemoryError error("", 5 * image + image / 2, 2 * image);
  CHECK_THAT(batch_too_large(one.run, 50, error).what(), Catch::Contains("a batch of 50 wants") && Catch::Contains("pass .batch 46"));
  CHECK_THAT(batch_too_large(one.run, 50, {"", 10, 20}).what(), Catch::Contains("pass .batch 49"));
  CHECK_THAT(batch_too_large(one.run, 50, {"", std::size_t{1} << 60, 20}).what(), Catch::Contains("not even one image"));
}

TEST_CASE("device forecast: a set that does not fit beside the training is refused", "[device_forecast]") {
  Forecast one;
  const std::size_t training = forecast_device_memory(one.run, 8).total();
  one.run.cached_images = 5000;
  const std::size_t set = 5000 * 32 * 32 * 3;
  CHECK(require_device_memory(one.run, 8, training + set).images == set);
  CHECK_THROWS_WITH(require_device_memory(one.run, 8, training + set / 2),
                    Catch::StartsWith(".cache: the 5000 images of the training set want 15.4 MB of the GPU's memory but training ") &&
                        Catch::Contains("leaves 7.7 MB of it") && Catch::Contains("leave .cache out"));
  CHECK_THROWS_WITH(require_device_memory(one.run, 8, training / 2), Catch::Contains(".batch") || Catch::Contains("leave .cache out"));
}
