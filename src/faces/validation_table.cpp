#include <amnet/faces/validation_table.h>
#include <amnet/train/table_file.h>

#include <fmt/format.h>

#include <cmath>

namespace amnet {
namespace {

// A number as text; empty where there is no number.
std::string field_of(double value) { return std::isnan(value) ? "" : fmt::format("{:.4f}", value); }

}  // namespace

std::vector<std::string> validation_columns() {
  return {"step", "accuracy_mean", "accuracy_std", "tar_at_far_1_percent", "tar_at_far_0.1_percent"};
}

std::string line_of(const ValidationRow& row) {
  return fmt::format("{},{},{},{},{}", row.step, field_of(row.accuracy_mean), field_of(row.accuracy_std), field_of(row.tar_at_far_1),
                     field_of(row.tar_at_far_01));
}

std::vector<ValidationRow> read_validation(const std::filesystem::path& path) {
  const Table table = read_table(path);
  std::vector<ValidationRow> rows;
  if (table.names != validation_columns()) return rows;
  const auto& columns = table.columns;
  for (std::size_t i = 0; i < table.rows(); ++i) {
    rows.push_back({static_cast<std::int64_t>(columns[0][i]), columns[1][i], columns[2][i], columns[3][i], columns[4][i]});
  }
  return rows;
}

}  // namespace amnet
