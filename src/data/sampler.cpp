#include <amnet/core/error.h>
#include <amnet/core/random.h>
#include <amnet/data/sampler.h>

#include <numeric>
#include <utility>

namespace amnet {

Sampler::Sampler(const SamplerOptions& options) : options_(options) {
  require(options.images >= 1 && options.images < (std::int64_t{1} << 32), "[sampler] expected from 1 to 2^32-1 images but got {}.",
          options.images);
}

std::int64_t Sampler::image_at(std::int64_t epoch, std::int64_t position) {
  if (!options_.shuffle) return position;
  if (epoch != epoch_) {
    const Random random(options_.seed, stream_of("order"), static_cast<std::uint64_t>(epoch));
    order_.resize(static_cast<std::size_t>(options_.images));
    std::iota(order_.begin(), order_.end(), 0U);
    // Fisher and Yates, in Durstenfeld's form (CACM algorithm 235, 1964).
    for (std::size_t i = order_.size(); i > 1; --i) std::swap(order_[i - 1], order_[random.below(i, i)]);
    epoch_ = epoch;
  }
  return order_[static_cast<std::size_t>(position)];
}

Sample Sampler::at(std::int64_t sample) {
  const std::int64_t epoch = sample / options_.images;
  const std::int64_t image = image_at(epoch, sample % options_.images);
  const Random random(options_.seed, stream_of("mirror"), static_cast<std::uint64_t>(epoch));
  return {image, options_.mirror && random.uniform(static_cast<std::uint64_t>(image)) < 0.5};
}

}  // namespace amnet
