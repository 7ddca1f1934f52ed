#include "tensor_names.h"
#include "core/edit_distance.h"

#include <fmt/format.h>
#include <algorithm>
#include <string_view>
#include <vector>

namespace amnet {
namespace {

// Names beyond these are not compared letter by letter.
constexpr std::size_t most_names = 2'000;
constexpr std::size_t longest_name = 200;

}  // namespace

std::string alike_names(const SafetensorsFile& file, std::span<const std::string> wanted) {
  std::vector<std::string_view> names(file.unwanted.begin(), file.unwanted.end());
  for (const NamedTensor& stored : file.tensors) names.push_back(stored.name);
  for (const std::string& name : wanted) {
    for (const std::string_view there : names) {
      if (there.size() > name.size() && there.ends_with(name)) {
        const std::string_view prefix = there.substr(0, there.size() - name.size());
        return fmt::format("it has `{}`: its names begin with `{}`, rename them without it", there, prefix);
      }
      if (there.size() > name.size() && there.starts_with(name)) {
        return fmt::format("it has `{}`: its names end with `{}`, rename them without it", there, there.substr(name.size()));
      }
    }
  }
  if (names.empty() || wanted.empty()) return {};
  std::string_view best = names.front();
  const auto far = [&](std::string_view there) { return edit_distance(wanted.front(), there.substr(0, longest_name)); };
  for (std::size_t i = 1; i < std::min(names.size(), most_names); ++i) {
    if (far(names[i]) < far(best)) best = names[i];
  }
  return fmt::format("of its names `{}` is the most like `{}`", best, wanted.front());
}

}  // namespace amnet
