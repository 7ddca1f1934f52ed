// validation.csv: the verification results of a run on faces, for people that it does not train
// with.
//
//   const std::vector<ValidationRow> rows = read_validation("runs/a/validation.csv");
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace amnet {

/// One line of it; accuracies in percent. NaN, an empty field, where there is none: see
/// verification.h.
struct ValidationRow {
  std::int64_t step = 0;
  double accuracy_mean = 0;
  double accuracy_std = 0;
  double tar_at_far_1 = 0;   ///< true accept rate at 1 % false accepts
  double tar_at_far_01 = 0;  ///< at 0.1 %
};

/// Its columns, and a line of them.
std::vector<std::string> validation_columns();
std::string line_of(const ValidationRow& row);
/// Empty where the file is absent, or no regular file; a line that is not a row is skipped.
std::vector<ValidationRow> read_validation(const std::filesystem::path& path);

}  // namespace amnet
