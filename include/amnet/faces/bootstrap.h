// Whether model a is better than model b on the same pairs, or whether other people could have
// reversed the result. Pairs that share a person are not independent, so whole people are drawn (a
// cluster bootstrap), and both models are judged on the same draw (paired).
//
//   Bootstrap gain = paired_bootstrap(pairs, amsoftmax.correct, softmax.correct, {.seed = 1});
//   fmt::print("{:+.2f} points, 95 % interval [{:+.2f}, {:+.2f}]\n", gain.difference, gain.low, gain.high);
#pragma once

#include <amnet/faces/pairs.h>

#include <cstdint>
#include <span>

namespace amnet {

struct BootstrapOptions {
  std::uint64_t seed = 1;
  int resamples = 10000;
};

/// In percentage points of accuracy over the pairs that both models judged, model a minus model b.
struct Bootstrap {
  double difference = 0;        // on the list itself
  double mean = 0;              // over the resamples
  double low = 0, high = 0;     // the 2.5 % and 97.5 % quantiles (linear between order statistics)
  double share_above_zero = 0;  // 0..1, of the resamples where a is better
  int resamples = 0;            // that have at least one pair
  std::size_t pairs = 0;        // that both models judged
};

/// As many people as the list has are drawn with replacement; c(p) says how often person p was. A
/// pair of one person has the weight c(p), a pair of two c(p) c(q): the number of times it would
/// occur if the list had been made of the people drawn. `correct_a`, `correct_b`: for each pair 1
/// if judged correctly, 0 if not, or between them the share of several seeds that judged it
/// correctly (Verification::correct). NaN for a pair that was not judged, which is left out. A
/// function of its arguments alone. Throws UsageError on counts that do not fit, DataError where no
/// pair was judged by both.
Bootstrap paired_bootstrap(const Pairs& pairs, std::span<const double> correct_a, std::span<const double> correct_b,
                           const BootstrapOptions& options = {});

}  // namespace amnet
