// What a checkpoint holds besides the model: where the run is, so that resuming is the same as not having stopped.
#pragma once

#include <amnet/model/model_file.h>
#include <amnet/train/health.h>
#include <amnet/train/meters.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace amnet {

struct TrainState {
  std::int64_t step = 0;     ///< updates done
  std::int64_t samples = 0;  ///< samples consumed: the cursor of the data
  std::uint64_t seed = 0;
  std::int64_t images = 0;  ///< of the training set
  std::int64_t classes = 0;
  std::uint64_t data_fingerprint = 0;  ///< of its paths and labels
  std::int64_t batch = 0;
  std::int64_t accumulate = 0;
  Meters meters;                    ///< sums since the last line of the log
  Health health;                    ///< what is remembered of logged steps
  std::int64_t verified_step = -1;  ///< of the last verification that came to its end
  std::int64_t best_step = -1;
  double best_accuracy = -1;  ///< percent, of the best verification so far

  friend bool operator==(const TrainState&, const TrainState&) = default;
};

/// The state as JSON. Every number comes back to the last bit.
std::string state_json(const TrainState& state);
/// Throws DataError naming `source` for text that is no such state.
TrainState parse_state(const std::string& json, std::string_view source);

/// Throws UsageError saying which setting of a resumed run differs from the checkpoint's.
void check_resumable(const TrainState& checkpoint, const TrainState& now, std::string_view source);
/// The same for the network and its input.
void check_same_model(const ModelDescription& checkpoint, const ModelDescription& now, std::string_view source);

/// What differs between two configurations of lines `key = value` and can change what is learned: a sentence for each.
std::vector<std::string> changed_settings(std::string_view before, std::string_view now);

}  // namespace amnet
