#include "csv.h"

#include <amnet/core/error.h>

#include <utility>

namespace amnet {

CsvRows::CsvRows(std::string_view text, std::string name) : text_(text), name_(std::move(name)) {
  if (text_.starts_with("\xEF\xBB\xBF")) text_.remove_prefix(3);
}

bool CsvRows::next() {
  do {
    if (at_ >= text_.size()) return false;
    line_ = next_line_;
    read_row();
  } while (cells_.size() == 1 && cells_[0].empty());
  return true;
}

std::string CsvRows::where() const { return fmt::format("{}, line {}", name_, line_); }

void CsvRows::read_row() {
  cells_.assign(1, {});
  bool quoted = false;
  while (at_ < text_.size()) {
    const char c = text_[at_++];
    if (c == '\n') ++next_line_;
    if (quoted) {
      if (c != '"') {
        cells_.back() += c;
      } else if (at_ < text_.size() && text_[at_] == '"') {
        cells_.back() += text_[at_++];
      } else {
        quoted = false;
        require<DataError>(at_ == text_.size() || text_[at_] == ',' || text_[at_] == '\n' || text_[at_] == '\r',
                           "{}: expected a comma behind the closing quotation mark of value {}.", where(), cells_.size());
      }
    } else if (c == '"' && cells_.back().empty()) {
      quoted = true;
    } else if (c == ',') {
      cells_.emplace_back();
    } else if (c == '\n') {
      return;
    } else if (c != '\r' || (at_ < text_.size() && text_[at_] != '\n')) {
      cells_.back() += c;
    }
  }
  require<DataError>(!quoted, "{}: the quotation mark of value {} is not closed.", where(), cells_.size());
}

std::string csv_value(std::string_view value) {
  if (value.find_first_of(",\"\r\n") == std::string_view::npos && !value.starts_with(' ') && !value.ends_with(' '))
    return std::string(value);
  std::string quoted = "\"";
  for (const char c : value) {
    quoted += c;
    if (c == '"') quoted += c;
  }
  return quoted + '"';
}

}  // namespace amnet
