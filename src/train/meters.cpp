#include <amnet/io/durable_file.h>
#include <amnet/train/meters.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <limits>
#include <sstream>

namespace amnet {
namespace {

namespace fs = std::filesystem;

// The fields of a line of numbers, or nothing where one is not a number.
std::vector<double> numbers_of(const std::string& line) {
  std::vector<double> values;
  std::stringstream fields(line);
  for (std::string field; std::getline(fields, field, ',');) {
    double value = 0;
    const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
    if (error != std::errc{} || end != field.data() + field.size()) return {};
    values.push_back(value);
  }
  return values;
}

template <class Row, class Make>
std::vector<Row> read_rows(const fs::path& path, std::size_t columns, Make&& make) {
  std::vector<Row> rows;
  if (!fs::exists(path)) return rows;
  std::stringstream text(read_file(path, std::numeric_limits<std::size_t>::max()));
  for (std::string line; std::getline(text, line);) {
    const std::vector<double> values = numbers_of(line);
    if (values.size() == columns) rows.push_back(make(values));
  }
  return rows;
}

}  // namespace

MetricsFile::MetricsFile(fs::path path, std::string header, std::int64_t last_step) : path_(std::move(path)) {
  const auto columns = static_cast<std::size_t>(std::ranges::count(header, ',')) + 1;
  std::string kept = header + "\n";
  if (fs::exists(path_)) {
    std::stringstream text(read_file(path_, std::numeric_limits<std::size_t>::max()));
    for (std::string line; std::getline(text, line);) {
      const std::vector<double> values = numbers_of(line);
      if (text.eof()) break;  // no newline: cut short by a crash, perhaps inside its last number
      if (values.size() == columns && values[0] <= static_cast<double>(last_step)) kept += line + "\n";
    }
  }
  write_durably(path_, kept);
}

void MetricsFile::append(const std::string& line) {
  const std::string text = line + "\n";
  std::FILE* file = std::fopen(path_.c_str(), "ab");
  require<FileError>(file != nullptr, "{}: cannot be opened for writing.", path_.string());
  const bool written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
  const bool closed = std::fclose(file) == 0;
  require<FileError>(written && closed, "{}: a row could not be written; is the disk full?", path_.string());
}

const char* const metrics_header = "step,epoch,loss,accuracy,target_cosine,feature_norm,learning_rate,samples_per_second,wait_fraction";
const char* const validation_header = "step,accuracy_mean,accuracy_std,tar_at_far_1_percent,tar_at_far_0.1_percent";

std::string line_of(const MetricsRow& row) {
  return fmt::format("{},{:.4f},{:.6g},{:.6g},{:.6g},{:.6g},{:.6g},{:.2f},{:.4f}", row.step, row.epoch, row.meters.loss,
                     row.meters.accuracy, row.meters.target_cosine, row.meters.feature_norm, row.learning_rate, row.samples_per_second,
                     row.wait);
}

std::string line_of(const ValidationRow& row) {
  return fmt::format("{},{:.4f},{:.4f},{:.4f},{:.4f}", row.step, row.accuracy_mean, row.accuracy_std, row.tar_at_far_1, row.tar_at_far_01);
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
