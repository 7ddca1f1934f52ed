#include "nearest_names.h"
#include "core/edit_distance.h"

#include <amnet/core/text.h>

#include <algorithm>
#include <cstddef>
#include <utility>

namespace amnet::caffe {
namespace {

/// Smaller for names that are more alike: first those that are a part of each other.
std::pair<bool, std::ptrdiff_t> unlikeness(std::string_view written, std::string_view name) {
  const bool is_part = name.find(written) != std::string_view::npos || written.find(name) != std::string_view::npos;
  const auto [differs, end] = std::ranges::mismatch(written, name);
  const std::ptrdiff_t same_beginning = differs - written.begin();
  return {!is_part, static_cast<std::ptrdiff_t>(edit_distance(written, name)) - same_beginning};
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
