#include "nearest_names.h"

#include <amnet/core/text.h>

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <utility>

namespace amnet::caffe {
namespace {

/// The number of characters to insert, remove or change.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t changed = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({changed, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

/// Smaller for names that are more alike: first those that are a part of each other.
std::pair<bool, std::ptrdiff_t> unlikeness(std::string_view written, std::string_view name) {
  const bool is_part = name.find(written) != std::string_view::npos || written.find(name) != std::string_view::npos;
  const auto [differs, end] = std::ranges::mismatch(written, name);
  const std::ptrdiff_t same_beginning = differs - written.begin();
  return {!is_part, static_cast<std::ptrdiff_t>(distance(written, name)) - same_beginning};
}

}  // namespace

std::string nearest_names(std::string_view written, std::vector<std::string> names) {
  constexpr std::size_t most = 12, longest = 80;
  written = written.substr(0, longest);
  std::ranges::stable_sort(names, {}, [&](const std::string& name) { return unlikeness(written, name); });
  const bool all = names.size() <= most;
  if (!all) names.resize(most);
  return joined(names, ", ") + (all ? "" : " and others");
}

}  // namespace amnet::caffe
