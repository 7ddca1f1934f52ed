// Watches a run for training that fails without an error: a feature norm or a gradient that grows a
// hundredfold, features that no longer distinguish people, an accuracy that stays at chance. It
// gets the numbers of logged steps and returns sentences for the log, each once in a run. It
// changes nothing: the user decides whether to stop.
//
//   const HealthWatch watch({.classes = 902, .epoch = 52, .warm_up = 100});
//   Health health;   // what it remembers, for a checkpoint
//   for (const std::string& warning : watch.look(signs, health)) log.line(warning);
#pragma once

#include <amnet/core/tensor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace amnet {

/// The numbers of a logged step that show the health of a run.
struct Signs {
  std::int64_t step = 0;     ///< updates done
  std::int64_t samples = 0;  ///< those that `accuracy` is the mean of
  double accuracy = 0;       ///< without margin, in [0,1]: the mean since the last logged step
  double feature_norm = 0;   ///< likewise
  double gradient_norm = 0;  ///< of all parameters together, of this step's gradient
  /// mean_cosine_between_classes of this step's features; NaN where there is none
  double others_cosine = 0;
};

/// The reference value of a number that must not grow: its value at the first look, and after the
/// end of the start phase its value at the first look then.
struct Growth {
  double first = 0;  ///< 0 before the first look
  bool after_start = false;
  bool told = false;

  template <class Fields>
  void fields(Fields& fields) {
    fields("first", first);
    fields("after_start", after_start);
    fields("told", told);
  }
  friend bool operator==(const Growth&, const Growth&) = default;
};

/// The state of the watch, which a checkpoint stores completely: a resumed run reports what the
/// uninterrupted one would have reported.
struct Health {
  Growth feature_norm, gradient_norm;
  std::int64_t window_begin = 0;  ///< step at which the epoch began that accuracy is judged over
  double window_correct = 0;      ///< samples classified correctly in it
  double window_samples = 0;
  bool told_collapse = false, told_chance = false;

  template <class Fields>
  void fields(Fields& fields) {
    fields("feature_norm", feature_norm);
    fields("gradient_norm", gradient_norm);
    fields("window_begin", window_begin);
    fields("window_correct", window_correct);
    fields("window_samples", window_samples);
    fields("told_collapse", told_collapse);
    fields("told_chance", told_chance);
  }
  friend bool operator==(const Health&, const Health&) = default;
};

struct HealthOptions {
  std::int64_t classes = 0;
  std::int64_t epoch = 1;  ///< steps of one
  /// steps of the start phase (at least 20), where the limit is a thousandfold, not a hundredfold
  std::int64_t warm_up = 0;
};

class HealthWatch {
 public:
  explicit HealthWatch(HealthOptions options) : options_(options) {}

  /// The sentences for what these signs show for the first time. Steps rise from call to call.
  std::vector<std::string> look(const Signs& signs, Health& health) const;

 private:
  bool collapsed(const Signs& signs) const;
  bool stayed_at_chance(const Signs& signs, Health& health) const;

  HealthOptions options_;
};

/// The mean over all pairs of rows with different labels of the cosine between them, in double:
/// features (N,D) of f32 and labels i64 (N), on the host; a zero row has cosine 0 with every other.
/// NaN where no two labels differ. Time N D.
double mean_cosine_between_classes(const Tensor& features, const Tensor& labels);

}  // namespace amnet
