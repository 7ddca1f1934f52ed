// How a forecast of memory is written: the total, and the part of each purpose. The caller
// measures.
//
//   memory_line({{"list", 480'000'000}, {"program", 11'000'000}});  // "Memory: 491 MB in all = list 480 MB + program 11 MB"
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace amnet {

/// "63 MB", with one decimal "62.8 MB".
inline std::string megabytes(std::size_t bytes, int decimals = 0) {
  return fmt::format("{:.{}f} MB", static_cast<double>(bytes) / 1e6, decimals);
}

struct MemoryUse {
  std::string_view name;
  std::size_t bytes;
};

inline std::size_t total_of(const std::vector<MemoryUse>& uses) {
  std::size_t total = 0;
  for (const MemoryUse& use : uses) total += use.bytes;
  return total;
}

/// "parameters 19 MB + activations 30 MB", without purposes that take nothing.
inline std::string sum_of(const std::vector<MemoryUse>& uses) {
  std::string text;
  for (const MemoryUse& use : uses) {
    if (use.bytes > 0) text += fmt::format("{}{} {}", text.empty() ? "" : " + ", use.name, megabytes(use.bytes));
  }
  return text;
}

inline std::string memory_line(const std::vector<MemoryUse>& uses) {
  return fmt::format("Memory: {} in all = {}", megabytes(total_of(uses)), sum_of(uses));
}

}  // namespace amnet
