// The order in which images come. Samples are numbered 0, 1, 2, ... over the whole of training and
// every draw is a function of (seed, epoch, index): the number of samples consumed is all there is
// to save, and to resume from.
//
//   Sampler sampler({.images = 6647, .seed = 1});
//   Sample sample = sampler.at(12345);   // {.image = 2540, .round = 1, .mirror = true}
#pragma once

#include <amnet/core/named.h>

#include <cstdint>
#include <vector>

namespace amnet {

/// shuffle: an epoch has each image once. balanced: each person comes equally often, however many
/// images there are of each.
enum class Sampling : unsigned char { shuffle, balanced };
constexpr std::array<std::string_view, 2> names_of(Sampling) { return {"shuffle", "balanced"}; }

struct SamplerOptions {
  std::int64_t images = 0;  // in [1, 2^32)
  std::uint64_t seed = 0;
  bool shuffle = true;  // false: the order of the list
  bool mirror = true;   // half of the samples are flipped left to right
  /// For balanced sampling, of each image its person >= 0; empty: each image once an epoch.
  std::vector<std::int64_t> people = {};
};

struct Sample {
  std::int64_t image;  // a position in the list
  std::int64_t round;  // how often it came before: the epoch, unless people are balanced
  bool mirror;
};

/// Whether an image is to be mirrored when it comes for time `round`.
bool is_mirrored(std::uint64_t seed, std::int64_t round, std::int64_t image);

/// Epoch e is the samples [e * images, (e+1) * images). Shuffled, it has each image once, in an
/// order of its own. Balanced, the samples are turns of all P people that have an image, each turn
/// in an order of its own: after any number of samples no person is ahead of another by more than
/// one, so that in an epoch each has images / P of them, to within less than two. Of one person all
/// images come, in an order of their own, before one of them comes again.
///
/// Holds the order of one epoch (4 bytes per image), and balanced that of one turn (16 bytes per
/// person), so asking for samples in ascending order is cheap. Not for use by two threads at once.
class Sampler {
 public:
  /// Throws UsageError unless images is in [1, 2^32), and for people of another number or without
  /// shuffle.
  explicit Sampler(SamplerOptions options);

  /// Sample number `sample` >= 0.
  Sample at(std::int64_t sample);

 private:
  struct Person {
    std::uint32_t first, images;  // in order_
    std::int64_t round;           // that their order is of
  };
  Sample shuffled(std::int64_t epoch, std::int64_t position);
  Sample balanced(std::int64_t turn, std::int64_t place);
  void sort_people();

  SamplerOptions options_;
  std::int64_t epoch_ = -1;           // the epoch of order_, or the turn of turn_
  std::vector<std::uint32_t> order_;  // (images); balanced: person by person
  std::vector<Person> people_;        // (P)
  std::vector<std::uint32_t> turn_;   // (P), positions in people_
};

}  // namespace amnet
