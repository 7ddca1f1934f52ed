// What a user watches to know whether it learns: the loss, the accuracy without margin, the cosine between a feature and its class's
// weights, and the feature's norm (the loss alone does not tell: its level depends on scale and margin).
#pragma once

#include <amnet/core/tensor.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace amnet {

/// Means over the micro-batches since the last reset.
struct Meters {
  double loss = 0;
  double accuracy = 0;
  double target_cosine = 0;
  double feature_norm = 0;
  std::int64_t count = 0;

  void add(const Meters& one) {
    loss += one.loss;
    accuracy += one.accuracy;
    target_cosine += one.target_cosine;
    feature_norm += one.feature_norm;
    count += 1;
  }
  Meters mean() const {
    const double n = static_cast<double>(count > 0 ? count : 1);
    return {loss / n, accuracy / n, target_cosine / n, feature_norm / n, count};
  }

  friend bool operator==(const Meters&, const Meters&) = default;
};

/// One line of metrics.csv.
struct MetricsRow {
  std::int64_t step = 0;
  double epoch = 0;
  Meters meters;
  double learning_rate = 0;
  double samples_per_second = 0;
  double wait = 0;  ///< share of the time waiting for data, in [0,1]
};

/// One line of validation.csv; accuracies in percent. NaN, an empty field, where there is none: see verification.h.
struct ValidationRow {
  std::int64_t step = 0;
  double accuracy_mean = 0;
  double accuracy_std = 0;
  double tar_at_far_1 = 0;   ///< true accept rate at 1 % false accepts
  double tar_at_far_01 = 0;  ///< at 0.1 %
};

/// An append-only table in a text file. On resume rows after the resumed step are cut, so that curves never fold back. A table only
/// tells: where it cannot be written, such as on a full disk, rows are missing until it can be again.
class MetricsFile {
 public:
  using OnFault = std::function<void(std::string_view fault)>;

  /// Opens `path`, keeps its rows up to `last_step`, and writes the header where there is none. `on_fault` is told of the first
  /// failure, now or later, in a sentence with the path and the reason.
  MetricsFile(std::filesystem::path path, std::string header, std::int64_t last_step, OnFault on_fault = {});
  ~MetricsFile();
  MetricsFile(const MetricsFile&) = delete;
  MetricsFile& operator=(const MetricsFile&) = delete;

  /// Appends a line, whole or not at all; it is in the file when this returns.
  void append(const std::string& line);

 private:
  struct Table;
  std::unique_ptr<Table> table_;
};

extern const char* const metrics_header;
extern const char* const validation_header;
std::string line_of(const MetricsRow& row);
std::string line_of(const ValidationRow& row);
/// Rows of such files; a line that is not one is left out. Empty where the file is absent, or no regular file.
std::vector<MetricsRow> read_metrics(const std::filesystem::path& path);
std::vector<ValidationRow> read_validation(const std::filesystem::path& path);

}  // namespace amnet
