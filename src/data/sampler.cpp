#include <amnet/core/error.h>
#include <amnet/core/random.h>
#include <amnet/data/sampler.h>

#include <algorithm>
#include <numeric>
#include <span>
#include <utility>

namespace amnet {
namespace {

/// Fisher and Yates, in Durstenfeld's form (CACM algorithm 235, 1964), with the draws from `first`
/// on.
void permute(std::span<std::uint32_t> order, const Random& random, std::uint64_t first = 0) {
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.below(first + i, i)]);
}

}  // namespace

bool is_mirrored(std::uint64_t seed, std::int64_t round, std::int64_t image) {
  return Random(seed, stream_of("mirror"), static_cast<std::uint64_t>(round)).uniform(static_cast<std::uint64_t>(image)) < 0.5;
}

Sampler::Sampler(SamplerOptions options) : options_(std::move(options)) {
  require(options_.images >= 1 && options_.images < (std::int64_t{1} << 32), "[sampler] expected from 1 to 2^32-1 images but got {}.",
          options_.images);
  if (options_.people.empty()) return;
  require(std::ssize(options_.people) == options_.images, "[sampler] expected the person of each of {} images but got {}.", options_.images,
          options_.people.size());
  require(options_.shuffle, "[sampler] expected a shuffled order for balanced people but got that of the list; set .shuffle.");
  sort_people();
}

void Sampler::sort_people() {
  const std::vector<std::int64_t> people = std::exchange(options_.people, {});
  order_.resize(people.size());
  std::iota(order_.begin(), order_.end(), 0U);
  const auto person_of = [&](std::uint32_t image) { return people[image]; };
  std::ranges::stable_sort(order_, {}, person_of);
  for (std::uint32_t i = 0; i < order_.size(); ++i) {
    const bool is_new = i == 0 || person_of(order_[i]) != person_of(order_[i - 1]);
    if (is_new) people_.push_back({.first = i, .images = 0, .round = -1});
    ++people_.back().images;
  }
  turn_.resize(people_.size());
}

Sample Sampler::shuffled(std::int64_t epoch, std::int64_t position) {
  if (!options_.shuffle) return {.image = position, .round = epoch, .mirror = false};
  if (epoch != epoch_) {
    order_.resize(static_cast<std::size_t>(options_.images));
    std::iota(order_.begin(), order_.end(), 0U);
    permute(order_, Random(options_.seed, stream_of("order"), static_cast<std::uint64_t>(epoch)));
    epoch_ = epoch;
  }
  return {.image = order_[static_cast<std::size_t>(position)], .round = epoch, .mirror = false};
}

Sample Sampler::balanced(std::int64_t turn, std::int64_t place) {
  if (turn != epoch_) {
    std::iota(turn_.begin(), turn_.end(), 0U);
    permute(turn_, Random(options_.seed, stream_of("turn"), static_cast<std::uint64_t>(turn)));
    epoch_ = turn;
  }
  Person& person = people_[turn_[static_cast<std::size_t>(place)]];
  const std::span<std::uint32_t> images = std::span(order_).subspan(person.first, person.images);
  const std::int64_t round = turn / person.images;
  if (round != person.round) {
    std::ranges::sort(images);
    permute(images, Random(options_.seed, stream_of("images of a person"), static_cast<std::uint64_t>(round)), person.first);
    person.round = round;
  }
  return {.image = images[static_cast<std::size_t>(turn % person.images)], .round = round, .mirror = false};
}

Sample Sampler::at(std::int64_t sample) {
  const std::int64_t period = people_.empty() ? options_.images : std::ssize(people_);
  Sample drawn = people_.empty() ? shuffled(sample / period, sample % period) : balanced(sample / period, sample % period);
  drawn.mirror = options_.mirror && is_mirrored(options_.seed, drawn.round, drawn.image);
  return drawn;
}

}  // namespace amnet
