#include <amnet/core/memory_use.h>
#include <amnet/faces/device_forecast.h>

#include <algorithm>

namespace amnet {
namespace {

// Not measured: cuBLAS documents a workspace of 32 MiB on a H100, and kernels are loaded one by
// one.
constexpr std::size_t library_bytes = std::size_t{128} << 20;

std::size_t image_bytes(const ImageFormat& format) { return static_cast<std::size_t>(format.height * format.width * 3); }

struct Refusal {
  std::int64_t batch;
  std::size_t wanted, free;
  std::int64_t largest;  // that would fit
};

MemoryError refuse(const DeviceRun& run, const Refusal& refusal) {
  const std::string advice = refusal.largest > 0
                                 ? fmt::format("pass .batch {}, the largest that fits", refusal.largest)
                                 : fmt::format("not even one image would fit: pass a smaller .network.width or .network.embedding{}",
                                               run.cached_images > 0 ? ", or leave .cache out" : "");
  return MemoryError(fmt::format("[train] a batch of {} wants {} of the GPU's memory but {} are free; {}.", refusal.batch,
                                 megabytes(refusal.wanted, 1), megabytes(refusal.free, 1), advice));
}

std::int64_t largest_batch_of(const DeviceRun& run, std::size_t available, std::int64_t too_large) {
  return largest_batch(available, too_large, [&](std::int64_t batch) { return forecast_device_memory(run, batch).total(); });
}

}  // namespace

std::string DeviceForecast::str(std::size_t free) const {
  return fmt::format("GPU memory: {} in all = {}; {} are free", megabytes(total()),
                     sum_of({{"parameters", parameters},
                             {"activations", activations},
                             {"kernels", kernels},
                             {"uploads", uploads},
                             {"verification", verification},
                             {"images", images},
                             {"libraries", libraries}}),
                     megabytes(free));
}

DeviceForecast forecast_device_memory(const DeviceRun& run, std::int64_t batch) {
  constexpr std::size_t sets = 2, mirrored_and_label = 1 + 8, index = 8;
  const PlanBytes plan = Plan::measure(run.net, run.device, {.batch = batch, .loss = run.loss, .keep = run.keep});
  const std::size_t pixels = run.cached_images > 0 ? index : image_bytes(run.format);
  return {.parameters = run.net.parameter_bytes() + (1 + static_cast<std::size_t>(run.moments)) * run.net.gradient_bytes(),
          .activations = plan.values,
          .kernels = std::max(plan.kernels, run.embedding.kernels),
          .uploads = sets * static_cast<std::size_t>(batch) * (pixels + mirrored_and_label),
          .verification = run.embedding.values + static_cast<std::size_t>(run.embedding_batch) * image_bytes(run.format),
          .images = static_cast<std::size_t>(run.cached_images) * image_bytes(run.format),
          .libraries = library_bytes};
}

DeviceForecast require_device_memory(const DeviceRun& run, std::int64_t batch, std::size_t free) {
  const DeviceForecast forecast = forecast_device_memory(run, batch);
  if (forecast.total() <= free) return forecast;
  const std::size_t training = forecast.total() - forecast.images;
  require<MemoryError>(training > free,
                       ".cache: the {} images of the training set want {} of the GPU's memory but training leaves {} of it; leave .cache "
                       "out, or pass a smaller .batch.",
                       run.cached_images, megabytes(forecast.images, 1), megabytes(free - std::min(free, training), 1));
  throw refuse(run, {.batch = batch, .wanted = forecast.total(), .free = free, .largest = largest_batch_of(run, free, batch)});
}

MemoryError batch_too_large(const DeviceRun& run, std::int64_t batch, const DeviceMemoryError& error) {
  const std::size_t total = forecast_device_memory(run, batch).total();
  const std::size_t missing = error.wanted > error.free ? error.wanted - error.free : 0;
  return refuse(run, {.batch = batch,
                      .wanted = error.wanted,
                      .free = error.free,
                      .largest = largest_batch_of(run, total - std::min(total, missing), batch)});
}

std::int64_t largest_batch(std::size_t available, std::int64_t too_large, const std::function<std::size_t(std::int64_t batch)>& bytes) {
  if (too_large <= 1) return 0;
  std::int64_t fits = 1, above = too_large;
  std::size_t of_fits = bytes(fits), of_above = bytes(above);
  if (of_fits > available) return 0;
  if (of_above <= available) return above - 1;
  for (int asked = 0; above - fits > 1; ++asked) {
    // Where the line between the two points reaches what is available; every third time half way,
    // in case the line is misleading.
    const auto between = static_cast<std::size_t>(above - fits);
    const std::size_t step = asked % 3 == 2 ? between / 2 : between * (available - of_fits) / (of_above - of_fits);
    const std::int64_t guess = fits + static_cast<std::int64_t>(std::clamp<std::size_t>(step, 1, between - 1));
    const std::size_t of_guess = bytes(guess);
    if (of_guess <= available) {
      fits = guess;
      of_fits = of_guess;
    } else {
      above = guess;
      of_above = of_guess;
    }
  }
  return fits;
}

}  // namespace amnet
