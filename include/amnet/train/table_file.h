// A table of numbers in a text file (CSV), a line at a time, that survives crashes and resumes:
// metrics.csv and similar files.
//
//   TableFile metrics("runs/a/metrics.csv", {"step", "loss"}, 0);   // rows behind step 0 are cut: the run begins
//   metrics.append("120,3.25");
//   const Table table = read_table("runs/a/metrics.csv");
//   const double loss = table.column("loss").back();                // 3.25
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace amnet {

/// An append-only table. Its first column is the step; on a resume rows after the resumed step are
/// cut, so that the steps of a curve never go back. A table that cannot be written, such as on a
/// full disk, does not end a run: rows are missing until it can be written again.
class TableFile {
 public:
  using OnFault = std::function<void(std::string_view fault)>;

  /// Opens `path`, keeps its rows up to `last_step`, and writes the header where there is none.
  /// `on_fault` is called for the first failure, now or later, with a sentence that has the path
  /// and the reason.
  TableFile(std::filesystem::path path, const std::vector<std::string>& columns, std::int64_t last_step, OnFault on_fault = {});
  ~TableFile();
  TableFile(const TableFile&) = delete;
  TableFile& operator=(const TableFile&) = delete;

  /// Appends a line, whole or not at all; it is in the file when this returns.
  void append(const std::string& line);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// What such a file holds, column by column.
struct Table {
  std::vector<std::string> names;
  std::vector<std::vector<double>> columns;  ///< NaN for an empty field

  std::size_t rows() const { return columns.empty() ? 0 : columns.front().size(); }
  bool has(std::string_view name) const;
  /// Throws UsageError for an unknown name.
  const std::vector<double>& column(std::string_view name) const;
};

/// A line that is not a row is skipped. Empty where the file is absent, or no regular file.
Table read_table(const std::filesystem::path& path);

}  // namespace amnet
