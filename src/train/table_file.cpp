#include "line_file.h"

#include <amnet/core/error.h>
#include <amnet/core/text.h>
#include <amnet/io/durable_file.h>
#include <amnet/train/table_file.h>

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <sstream>

namespace amnet {
namespace {

namespace fs = std::filesystem;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

// The fields of a line of numbers, of which any but the first may be empty, which is NaN; nothing
// where one is not a number.
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

std::vector<std::string> names_of(const std::string& header) {
  std::vector<std::string> names;
  std::stringstream text(header);
  for (std::string name; std::getline(text, name, ',');) names.push_back(name);
  return names;
}

}  // namespace

struct TableFile::State {
  LineFile file;
  std::vector<std::string> columns;
  std::int64_t last_step;
  bool ready = false;  // rows that will be written again are cut

  void make_ready() {
    ready = file.rewrite([this](const std::string& content) {
      std::string kept = joined(columns, ",") + "\n";
      std::stringstream text(content);
      for (std::string line; std::getline(text, line);) {
        const std::vector<double> values = numbers_of(line);
        if (text.eof()) break;  // no newline: cut short by a crash, perhaps inside its last number
        if (values.size() == columns.size() && values[0] <= static_cast<double>(last_step)) kept += line + "\n";
      }
      return kept;
    });
  }
};

TableFile::TableFile(fs::path path, const std::vector<std::string>& columns, std::int64_t last_step, OnFault on_fault)
    : state_(std::make_unique<State>(State{{std::move(path), std::move(on_fault)}, columns, last_step})) {
  state_->make_ready();
}

TableFile::~TableFile() = default;

void TableFile::append(const std::string& line) {
  if (!state_->ready) state_->make_ready();
  if (state_->ready) state_->file.append(line);
}

bool Table::has(std::string_view name) const { return std::ranges::find(names, name) != names.end(); }

const std::vector<double>& Table::column(std::string_view name) const {
  const auto found = std::ranges::find(names, name);
  require(found != names.end(), "[table] expected one of the columns '{}' but got '{}'.", joined(names, "', '"), name);
  return columns[static_cast<std::size_t>(found - names.begin())];
}

Table read_table(const fs::path& path) {
  Table table;
  std::error_code unreadable;
  if (!fs::is_regular_file(path, unreadable)) return table;
  std::stringstream text(read_file(path, std::numeric_limits<std::size_t>::max()));
  std::string line;
  std::getline(text, line);
  table.names = names_of(line);
  table.columns.resize(table.names.size());
  while (std::getline(text, line)) {
    const std::vector<double> values = numbers_of(line);
    if (values.size() != table.names.size()) continue;
    for (std::size_t i = 0; i < values.size(); ++i) table.columns[i].push_back(values[i]);
  }
  return table;
}

}  // namespace amnet
