// True accept rates at false accept rates, from sorted scores, of which only the largest impostor
// scores are needed.
#pragma once

#include <amnet/faces/verification.h>

#include <cstdint>
#include <span>
#include <vector>

namespace amnet {

/// round(far * impostors), as in BLUFR's EvalROC.
std::int64_t false_accepts_at(double far, std::int64_t impostors);

struct RankedScores {
  std::vector<double> genuine;  // rising
  // falling: the largest ones, one more than the rates accept if there is one
  std::vector<double> impostor;
  std::int64_t impostors = 0;  // all of them

  AcceptRate at(double far) const;
  /// About `points` of the curve, evenly spaced in log(far), rising.
  std::vector<AcceptRate> curve(int points) const;

 private:
  double tar_from(double threshold) const;
};

/// Keeps the largest `limit` of a stream of scores, in 2 * limit memory and constant time a score.
class LargestScores {
 public:
  explicit LargestScores(std::int64_t limit) : limit_(static_cast<std::size_t>(limit)) {}
  void add(double score);
  /// The largest ones, falling.
  std::vector<double> take();

 private:
  void prune();
  std::size_t limit_;
  std::vector<double> scores_;
};

}  // namespace amnet
