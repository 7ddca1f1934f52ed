// Tables as CSV text (RFC 4180): lines of values with commas between them; a value that has a
// comma, a quotation mark or a line's end stands in quotation marks, which are doubled inside.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace amnet {

/// The rows of a text, one after another.
class CsvRows {
 public:
  /// `name` is what messages call the text.
  CsvRows(std::string_view text, std::string name);

  /// Moves to the next row that is not empty; false behind the last. Throws DataError for quotation
  /// marks that do not pair.
  bool next();
  const std::vector<std::string>& cells() const { return cells_; }
  /// "landmarks.csv, line 3"
  std::string where() const;

 private:
  void read_row();

  std::string_view text_;
  std::string name_;
  std::size_t at_ = 0;
  std::int64_t line_ = 0, next_line_ = 1;
  std::vector<std::string> cells_;
};

/// One value, in quotation marks where it needs them.
std::string csv_value(std::string_view value);

}  // namespace amnet
