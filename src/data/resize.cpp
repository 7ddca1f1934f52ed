#include "resize.h"

#include "lanes.h"

#include <algorithm>
#include <cmath>

namespace amnet {
namespace {

/// What the output pixels along one side are the weighted means of.
struct Filter {
  struct Taps {
    std::int64_t first;      // source pixel
    std::size_t begin, end;  // of its weight and those of the next ones in `weights`
  };
  std::vector<Taps> taps;
  std::vector<std::uint32_t> weights;  // of lanes.h
};

Filter tent(std::int64_t from, std::int64_t to) {
  const double step = static_cast<double>(from) / static_cast<double>(to);
  const double reach = std::max(1.0, step);
  Filter filter;
  for (std::int64_t i = 0; i < to; ++i) {
    const double centre = (static_cast<double>(i) + 0.5) * step - 0.5;
    const std::int64_t first = std::max<std::int64_t>(0, static_cast<std::int64_t>(std::floor(centre - reach)) + 1);
    const std::int64_t last = std::min<std::int64_t>(from - 1, static_cast<std::int64_t>(std::ceil(centre + reach)) - 1);
    const auto weight = [&](std::int64_t j) { return 1 - std::abs(static_cast<double>(j) - centre) / reach; };
    double sum = 0;
    for (std::int64_t j = first; j <= last; ++j) sum += weight(j);
    const std::size_t begin = filter.weights.size();
    // differences of rounded sums: they add up to exactly 1
    double until = 0;
    std::uint32_t given = 0;
    for (std::int64_t j = first; j <= last; ++j) {
      until += weight(j);
      const auto rounded = static_cast<std::uint32_t>(std::lround(until / sum * (1 << weight_bits)));
      filter.weights.push_back(rounded - given);
      given = rounded;
    }
    filter.taps.push_back({first, begin, filter.weights.size()});
  }
  return filter;
}

Image of_size(std::int64_t height, std::int64_t width) {
  return {.height = height, .width = width, .pixels = std::vector<std::uint8_t>(static_cast<std::size_t>(height * width * 3))};
}

Image of_width(const Image& image, std::int64_t width) {
  const Filter columns = tent(image.width, width);
  Image out = of_size(image.height, width);
  std::vector<std::uint64_t> row(static_cast<std::size_t>(image.width));
  const std::uint8_t* from = image.pixels.data();
  std::uint8_t* to = out.pixels.data();
  for (std::int64_t y = 0; y < image.height; ++y) {
    for (std::uint64_t& lanes : row) lanes = lanes_of(from), from += 3;
    for (const Filter::Taps& taps : columns.taps) {
      const std::uint64_t* lanes = row.data() + taps.first;
      std::uint64_t sum = 0;
      for (std::size_t i = taps.begin; i < taps.end; ++i) sum += columns.weights[i] * *lanes++;
      put_mean(sum, to);
      to += 3;
    }
  }
  return out;
}

Image of_height(const Image& image, std::int64_t height) {
  const Filter rows = tent(image.height, height);
  Image out = of_size(height, image.width);
  const auto row_bytes = static_cast<std::size_t>(image.width * 3);
  std::vector<std::uint32_t> sums(row_bytes);
  std::uint8_t* to = out.pixels.data();
  for (const Filter::Taps& taps : rows.taps) {
    std::ranges::fill(sums, 1U << (weight_bits - 1));
    const std::uint8_t* from = image.pixels.data() + static_cast<std::size_t>(taps.first) * row_bytes;
    for (std::size_t i = taps.begin; i < taps.end; ++i, from += row_bytes) {
      const std::uint32_t weight = rows.weights[i];
      for (std::size_t at = 0; at < row_bytes; ++at) sums[at] += weight * from[at];
    }
    for (std::size_t at = 0; at < row_bytes; ++at) to[at] = static_cast<std::uint8_t>(sums[at] >> weight_bits);
    to += row_bytes;
  }
  return out;
}

}  // namespace

Image resized(const Image& image, std::int64_t height, std::int64_t width) { return of_height(of_width(image, width), height); }

}  // namespace amnet
