// The extents of a tensor, slowest dimension first: an activation is (N,H,W,C), a feature (N,D),
// labels (N).
//
//   Shape shape{32, 112, 96, 3};
//   shape.count();       // 1,032,192
//   shape.with(0, 64);   // (64,112,96,3)
#pragma once

#include <amnet/core/error.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <span>
#include <string>

namespace amnet {

/// Up to four extents, each >= 0. A value: cheap to copy, compared element by element.
class Shape {
 public:
  static constexpr int max_rank = 4;

  Shape() = default;
  Shape(std::initializer_list<std::int64_t> extents) : Shape(std::span(extents.begin(), extents.size())) {}
  explicit Shape(std::span<const std::int64_t> extents) : rank_(static_cast<int>(extents.size())) {
    require(extents.size() <= max_rank, "[shape] expected at most {} dimensions but got {}.", static_cast<int>(max_rank), extents.size());
    std::int64_t count = 1;
    for (int i = 0; i < rank_; ++i) {
      const std::int64_t extent = extents[static_cast<std::size_t>(i)];
      require(extent >= 0, "[shape] expected extents >= 0 but dimension {} is {}.", i, extent);
      require(extent == 0 || count <= std::numeric_limits<std::int64_t>::max() / 16 / extent,
              "[shape] the number of elements overflows at dimension {} of extent {}.", i, extent);
      count *= extent;
      extents_[static_cast<std::size_t>(i)] = extent;
    }
  }

  int rank() const { return rank_; }
  std::int64_t operator[](int dimension) const { return extents_[static_cast<std::size_t>(dimension)]; }

  /// The number of elements; 1 for the empty shape (a scalar).
  std::int64_t count() const { return count_from(0); }
  /// The number of elements of one index of the leading dimensions: count_from(1) is one sample.
  std::int64_t count_from(int dimension) const {
    std::int64_t count = 1;
    for (int i = dimension; i < rank_; ++i) count *= (*this)[i];
    return count;
  }
  /// The same shape with one extent replaced.
  Shape with(int dimension, std::int64_t extent) const {
    Shape other = *this;
    other.extents_[static_cast<std::size_t>(dimension)] = extent;
    return Shape(std::span(other.extents_.data(), static_cast<std::size_t>(rank_)));
  }

  friend bool operator==(const Shape&, const Shape&) = default;

  /// "(32,112,96,3)"
  std::string str() const {
    std::string text;
    for (int i = 0; i < rank_; ++i) text.append(1, i == 0 ? '(' : ',').append(std::to_string((*this)[i]));
    return text.empty() ? "()" : text.append(1, ')');
  }

 private:
  std::array<std::int64_t, max_rank> extents_{};
  int rank_ = 0;
};

}  // namespace amnet

/// `{}` only. It does not use fmt's string formatter, because fmt/core.h only declares that one;
/// fmt/format.h defines it.
template <>
struct fmt::formatter<amnet::Shape> {
  template <class Context>
  constexpr auto parse(Context& context) {
    return context.begin();
  }
  template <class Context>
  auto format(const amnet::Shape& shape, Context& context) const {
    const std::string text = shape.str();
    return std::copy(text.begin(), text.end(), context.out());
  }
};
