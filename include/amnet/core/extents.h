// Two extents, along the height and the width of an image: of a window, its stride, its padding.
// One number stands for both.
//
//   Extents square = 3, tall = {3, 1};
#pragma once

#include <fmt/format.h>

#include <cstdint>

namespace amnet {

struct Extents {
  std::int64_t height = 1, width = 1;

  constexpr Extents() = default;
  constexpr Extents(std::int64_t both) : height(both), width(both) {}  // implicit: {.stride = 2}
  constexpr Extents(std::int64_t along_height, std::int64_t along_width) : height(along_height), width(along_width) {}

  friend constexpr bool operator==(const Extents&, const Extents&) = default;
};

}  // namespace amnet

/// `{}` only: "3x1".
template <>
struct fmt::formatter<amnet::Extents> {
  template <class Context>
  constexpr auto parse(Context& context) {
    return context.begin();
  }
  template <class Context>
  auto format(const amnet::Extents& extents, Context& context) const {
    return fmt::format_to(context.out(), "{}x{}", extents.height, extents.width);
  }
};
