// A picture put onto a larger one.
#pragma once

#include <amnet/data/image.h>

#include <algorithm>

namespace amnet {

/// Copies `image` into `sheet`, where it has room, with its first pixel at (top, left).
inline void paste(const Image& image, std::int64_t top, std::int64_t left, Image& sheet) {
  for (std::int64_t y = 0; y < image.height; ++y) {
    std::copy_n(image.pixels.begin() + y * image.width * 3, image.width * 3, sheet.pixels.begin() + ((top + y) * sheet.width + left) * 3);
  }
}

}  // namespace amnet
