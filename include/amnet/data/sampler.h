// The order in which images come. Samples are numbered 0, 1, 2, ... over the whole of training and
// every draw is a function of (seed, epoch, index): the number of samples consumed is all there is
// to save, and to resume from.
//
//   Sampler sampler({.images = 6647, .seed = 1});
//   Sample sample = sampler.at(12345);   // {.image = 2540, .mirror = true}
#pragma once

#include <cstdint>
#include <vector>

namespace amnet {

struct SamplerOptions {
  std::int64_t images = 0;  // in [1, 2^32)
  std::uint64_t seed = 0;
  bool shuffle = true;  // false: the order of the list
  bool mirror = true;   // half of the samples are flipped left to right
};

struct Sample {
  std::int64_t image;  // a position in the list
  bool mirror;
};

/// Epoch e is the samples [e * images, (e+1) * images): each image once, in an order of its own.
/// Holds the order of one epoch (4 bytes per image), so asking for samples in ascending order is
/// cheap. Not for use by two threads at once.
class Sampler {
 public:
  /// Throws UsageError unless images is in [1, 2^32).
  explicit Sampler(const SamplerOptions& options);

  /// Sample number `sample` >= 0.
  Sample at(std::int64_t sample);

 private:
  std::int64_t image_at(std::int64_t epoch, std::int64_t position);

  SamplerOptions options_;
  std::int64_t epoch_ = -1;           // the epoch of order_
  std::vector<std::uint32_t> order_;  // (images)
};

}  // namespace amnet
