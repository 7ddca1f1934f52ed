#include "table.h"
#include "console.h"

#include <amnet/core/memory_use.h>
#include <amnet/core/text.h>

#include <fmt/format.h>

#include <algorithm>

void Table::print() const {
  if (rows_.empty()) return;
  std::vector<std::size_t> widths(rows_.front().size());
  for (const std::vector<std::string>& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], amnet::one_line(row[i]).size());
  }
  answer("");
  answer(title_);
  for (const std::vector<std::string>& row : rows_) {
    std::string line = " ";
    for (std::size_t i = 0; i < row.size(); ++i) line += fmt::format(" {:<{}} ", amnet::one_line(row[i]), widths[i]);
    answer(line.substr(0, line.find_last_not_of(' ') + 1));
  }
}

std::string bytes_text(std::uint64_t bytes) {
  return bytes < 1'000'000 ? grouped(static_cast<std::int64_t>(bytes)) + " bytes" : amnet::megabytes(bytes, 1);
}
