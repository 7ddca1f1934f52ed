#include "core/nearest_names.h"
#include "core/edit_distance.h"

#include <amnet/core/text.h>

#include <algorithm>
#include <utility>

namespace amnet {
namespace {

/// Smaller for names that are more alike: first those that are a part of each other.
std::pair<bool, std::ptrdiff_t> unlikeness(std::string_view written, std::string_view name) {
  const bool is_part = name.find(written) != std::string_view::npos || written.find(name) != std::string_view::npos;
  const auto [differs, end] = std::ranges::mismatch(written, name);
  const std::ptrdiff_t same_beginning = differs - written.begin();
  return {!is_part, static_cast<std::ptrdiff_t>(edit_distance(written, name)) - same_beginning};
}

}  // namespace

std::string shown(std::string_view name, std::size_t longest) {
  return one_line(name.substr(0, longest)) + (name.size() <= longest ? "" : "…");
}

std::string nearest_names(std::string_view written, std::vector<std::string> names) {
  constexpr std::size_t most = 12, longest = 80;
  written = written.substr(0, longest);
  // each name's place in the list last
  std::vector<std::pair<std::pair<bool, std::ptrdiff_t>, std::size_t>> order;
  for (std::size_t i = 0; i < names.size(); ++i) order.emplace_back(unlikeness(written, names[i]), i);
  std::ranges::sort(order);
  const bool all = order.size() <= most;
  if (!all) order.resize(most);
  std::vector<std::string> nearest;
  for (const auto& [how_unlike, i] : order) nearest.push_back(std::move(names[i]));
  return joined(nearest, ", ") + (all ? "" : " and others");
}

}  // namespace amnet
