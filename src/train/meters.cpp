#include "line_file.h"

#include <amnet/core/error.h>
#include <amnet/io/durable_file.h>
#include <amnet/train/meters.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <sstream>
#include <string_view>

namespace amnet {
namespace {

namespace fs = std::filesystem;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

// The fields of a line of numbers, of which any but the first may be empty, which is NaN; nothing where one is not a number.
std::vector<double> numbers_of(std::string_view line) {
  std::vector<double> values;
  for (std::size_t begin = 0; begin <= line.size();) {
    const std::size_t length = std::min(line.find(',', begin), line.size()) - begin;
    const std::string_view field = line.substr(begin, length);
    begin += length + 1;
    double value = nan;
    const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
    const bool none = field.empty() && !values.empty();
    if (!none && (error != std::errc{} || end != field.data() + field.size())) return {};
    values.push_back(value);
  }
  return values;
}

// A number, or nothing for one there is none of.
std::string field_of(double value) { return std::isnan(value) ? "" : fmt::format("{:.4f}", value); }

template <class Row, class Make>
std::vector<Row> read_rows(const fs::path& path, std::size_t columns, Make&& make) {
  std::vector<Row> rows;
  std::error_code unreadable;
  if (!fs::is_regular_file(path, unreadable)) return rows;
  std::stringstream text(read_file(path, std::numeric_limits<std::size_t>::max()));
  for (std::string line; std::getline(text, line);) {
    const std::vector<double> values = numbers_of(line);
    if (values.size() == columns) rows.push_back(make(values));
  }
  return rows;
}

}  // namespace

struct MetricsFile::Table {
  LineFile file;
  std::string header;
  std::int64_t last_step;
  bool ready = false;  // rows that come again are cut

  void make_ready() {
    ready = file.rewrite([this](const std::string& content) {
      const auto columns = static_cast<std::size_t>(std::ranges::count(header, ',')) + 1;
      std::string kept = header + "\n";
      std::stringstream text(content);
      for (std::string line; std::getline(text, line);) {
        const std::vector<double> values = numbers_of(line);
        if (text.eof()) break;  // no newline: cut short by a crash, perhaps inside its last number
        if (values.size() == columns && values[0] <= static_cast<double>(last_step)) kept += line + "\n";
      }
      return kept;
    });
  }
};

MetricsFile::MetricsFile(fs::path path, std::string header, std::int64_t last_step, OnFault on_fault)
    : table_(std::make_unique<Table>(Table{{std::move(path), std::move(on_fault)}, std::move(header), last_step})) {
  table_->make_ready();
}

MetricsFile::~MetricsFile() = default;

void MetricsFile::append(const std::string& line) {
  if (!table_->ready) table_->make_ready();
  if (table_->ready) table_->file.append(line);
}

const char* const metrics_header = "step,epoch,loss,accuracy,target_cosine,feature_norm,learning_rate,samples_per_second,wait_fraction";
const char* const validation_header = "step,accuracy_mean,accuracy_std,tar_at_far_1_percent,tar_at_far_0.1_percent";

std::string line_of(const MetricsRow& row) {
  return fmt::format("{},{:.4f},{:.6g},{:.6g},{:.6g},{:.6g},{:.6g},{:.2f},{:.4f}", row.step, row.epoch, row.meters.loss,
                     row.meters.accuracy, row.meters.target_cosine, row.meters.feature_norm, row.learning_rate, row.samples_per_second,
                     row.wait);
}

std::string line_of(const ValidationRow& row) {
  return fmt::format("{},{},{},{},{}", row.step, field_of(row.accuracy_mean), field_of(row.accuracy_std), field_of(row.tar_at_far_1),
                     field_of(row.tar_at_far_01));
}

std::vector<MetricsRow> read_metrics(const fs::path& path) {
  return read_rows<MetricsRow>(path, 9, [](const std::vector<double>& v) {
    return MetricsRow{.step = static_cast<std::int64_t>(v[0]),
                      .epoch = v[1],
                      .meters = {v[2], v[3], v[4], v[5], 1},
                      .learning_rate = v[6],
                      .samples_per_second = v[7],
                      .wait = v[8]};
  });
}

std::vector<ValidationRow> read_validation(const fs::path& path) {
  return read_rows<ValidationRow>(path, 5, [](const std::vector<double>& v) {
    return ValidationRow{static_cast<std::int64_t>(v[0]), v[1], v[2], v[3], v[4]};
  });
}

}  // namespace amnet
