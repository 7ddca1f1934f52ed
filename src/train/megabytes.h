// How forecasts of memory name bytes.
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>

namespace amnet {

/// "63 MB", with one decimal "62.8 MB".
inline std::string megabytes(std::size_t bytes, int decimals = 0) {
  return fmt::format("{:.{}f} MB", static_cast<double>(bytes) / 1e6, decimals);
}

struct Purpose {
  std::string_view name;
  std::size_t bytes;
};
/// "parameters 19 MB + activations 30 MB", without what takes nothing.
inline std::string sum_of(std::initializer_list<Purpose> purposes) {
  std::string text;
  for (const Purpose& purpose : purposes) {
    if (purpose.bytes > 0) text += fmt::format("{}{} {}", text.empty() ? "" : " + ", purpose.name, megabytes(purpose.bytes));
  }
  return text;
}

}  // namespace amnet
