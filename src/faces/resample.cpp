#include "resample.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace amnet {

void Resampler::lay(std::int64_t from, std::int64_t to, bool area, Axis& axis) {
  axis.taps.clear();
  axis.weights.clear();
  const double step = static_cast<double>(from) / static_cast<double>(to);
  for (std::int64_t i = 0; i < to; ++i) {
    Taps taps{.first = 0, .begin = axis.weights.size()};
    if (area) {
      const double begin = static_cast<double>(i) * step, end = std::min(begin + step, static_cast<double>(from));
      taps.first = static_cast<std::int64_t>(begin);
      for (std::int64_t at = taps.first; at < from && static_cast<double>(at) < end - 1e-9; ++at) {
        const double covered = std::min(end, static_cast<double>(at + 1)) - std::max(begin, static_cast<double>(at));
        axis.weights.push_back(static_cast<float>(covered / (end - begin)));
      }
    } else {
      const double centre = (static_cast<double>(i) + 0.5) * step - 0.5, left = std::floor(centre);
      const auto low = static_cast<std::int64_t>(left);
      const double share = centre - left;
      if (low < 0 || low + 1 >= from) {
        taps.first = std::clamp<std::int64_t>(low, 0, from - 1);
        axis.weights.push_back(1);
      } else {
        taps.first = low;
        axis.weights.insert(axis.weights.end(), {static_cast<float>(1 - share), static_cast<float>(share)});
      }
    }
    taps.end = axis.weights.size();
    axis.taps.push_back(taps);
  }
}

void Resampler::resample(const Image& image, ChannelOrder order, const Region& region, std::int64_t width, std::int64_t height,
                         std::span<float> out) {
  const bool area = width < region.width && height < region.height;
  lay(region.width, width, area, across_);
  lay(region.height, height, area, down_);

  // Rows first: those of the region that are in the image.
  const std::int64_t top = std::max<std::int64_t>(0, -region.top),
                     bottom = std::clamp<std::int64_t>(image.height - region.top, top, region.height);
  const std::int64_t left = std::max<std::int64_t>(0, -region.left),
                     right = std::clamp<std::int64_t>(image.width - region.left, left, region.width);
  columns_.assign(static_cast<std::size_t>(width * region.height * 3), 0);
  const std::size_t red = order == ChannelOrder::rgb ? 0 : 2, blue = 2 - red;
  for (std::int64_t y = top; y < bottom; ++y) {
    const std::uint8_t* row = image.pixels.data() + (region.top + y) * image.width * 3;
    for (std::int64_t x = 0; x < width; ++x) {
      const Taps& taps = across_.taps[static_cast<std::size_t>(x)];
      const auto count = static_cast<std::int64_t>(taps.end - taps.begin);
      float r = 0, g = 0, b = 0;
      const std::int64_t first = std::max(taps.first, left), last = std::min(taps.first + count, right);
      const float* weight = across_.weights.data() + taps.begin + (first - taps.first);
      for (std::int64_t at = first; at < last; ++at, ++weight) {
        const std::uint8_t* pixel = row + (region.left + at) * 3;
        r += *weight * static_cast<float>(pixel[red]);
        g += *weight * static_cast<float>(pixel[1]);
        b += *weight * static_cast<float>(pixel[blue]);
      }
      float* to = columns_.data() + (x * region.height + y) * 3;
      to[0] = r, to[1] = g, to[2] = b;
    }
  }
  float* to = out.data();
  for (std::int64_t x = 0; x < width; ++x) {
    const float* column = columns_.data() + x * region.height * 3;
    for (std::int64_t y = 0; y < height; ++y, to += 3) {
      const Taps& taps = down_.taps[static_cast<std::size_t>(y)];
      float r = 0, g = 0, b = 0;
      const float* from = column + taps.first * 3;
      for (std::size_t i = taps.begin; i < taps.end; ++i, from += 3) {
        r += down_.weights[i] * from[0];
        g += down_.weights[i] * from[1];
        b += down_.weights[i] * from[2];
      }
      to[0] = (r - 127.5F) * 0.0078125F, to[1] = (g - 127.5F) * 0.0078125F, to[2] = (b - 127.5F) * 0.0078125F;
    }
  }
}

}  // namespace amnet
