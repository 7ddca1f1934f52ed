#include <amnet/kernels/image_input.h>

#include "kernels/arguments.h"
#include "lanes.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace amnet {
namespace {

/// How the pixels of one row become numbers.
template <class T>
struct RowInput {
  T mean, scale;

  void plain(const std::uint8_t* from, std::int64_t count, T* to) const {
    for (std::int64_t i = 0; i < count; ++i) to[i] = (static_cast<T>(from[i]) - mean) * scale;
  }

  void mirrored(const std::uint8_t* from, std::int64_t width, std::int64_t channels, T* to) const {
    for (std::int64_t w = 0; w < width; ++w) plain(from + (width - 1 - w) * channels, channels, to + w * channels);
  }

  /// The pixels of a stretch are reversed as bytes, four at a time, of which the fourth is
  /// overwritten by the next pixel; after that the loop of a plain row is used, which the compiler
  /// vectorises.
  void mirrored_colour(const std::uint8_t* from, std::int64_t width, T* to) const {
    constexpr std::int64_t stretch = 128;  // pixels
    std::array<std::uint8_t, 3 * stretch + 1> turned;
    for (std::int64_t first = 0; first < width; first += stretch) {
      const std::int64_t pixels = std::min(stretch, width - first);
      const std::uint8_t* last = from + 3 * (width - 1 - first);
      std::memcpy(turned.data(), last, 3);  // a fourth byte could be outside the tensor
      for (std::int64_t w = 1; w < pixels; ++w) std::memcpy(turned.data() + 3 * w, last - 3 * w, 4);
      plain(turned.data(), 3 * pixels, to + 3 * first);
    }
  }
};

/// The indices, each of which names an image; nullptr where there are none.
const std::int64_t* checked_indices(const ImagePixels& pixels) {
  if (!pixels.indices.defined()) return nullptr;
  const std::int64_t images = pixels.values.extent(0);
  for (const std::int64_t index : pixels.indices.data<const std::int64_t>()) {
    require(index >= 0 && index < images, "[image_input] expected indices of {} images but got {}.", images, index);
  }
  return pixels.indices.data<const std::int64_t>().data();
}

}  // namespace

void image_input(Cpu& cpu, const ImageInputOptions& options, const ImagePixels& pixels, const Tensor& mirror, const Tensor& y) {
  check_image_input(pixels, mirror, y);
  const std::int64_t* const chosen = checked_indices(pixels);
  with_float(y.dtype(), "image_input", [&]<class T>() {
    const std::int64_t height = y.extent(1);
    const std::int64_t width = y.extent(2);
    const std::int64_t channels = y.extent(3);
    const std::uint8_t* in = pixels.values.data<const std::uint8_t>().data();
    const std::uint8_t* flags = mirror.data<const std::uint8_t>().data();
    T* out = y.data<T>().data();
    const RowInput<T> row{static_cast<T>(options.mean), static_cast<T>(options.scale)};
    for_rows(cpu, y.extent(0) * height, width * channels, [=](std::int64_t line) {
      const std::int64_t image = line / height;
      const std::int64_t source = chosen == nullptr ? line : line + (chosen[image] - image) * height;
      const std::uint8_t* from = in + source * width * channels;
      T* to = out + line * width * channels;
      if (flags[image] == 0) {
        row.plain(from, width * channels, to);
      } else if (channels == 3) {
        row.mirrored_colour(from, width, to);
      } else {
        row.mirrored(from, width, channels, to);
      }
    });
  });
}

}  // namespace amnet
