// Files that the data tests write: a temporary folder, noise that is the same every time, and a PNG
// writer that can also write faulty files.
#pragma once

#include <amnet/core/random.h>
#include <amnet/data/image.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include <unistd.h>

namespace test_images {

using Bytes = std::vector<std::byte>;

/// A new empty folder, removed at the end.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    static std::atomic<int> count{0};
    path_ = std::filesystem::temp_directory_path() / ("amnet_data_" + std::to_string(getpid()) + "_" + std::to_string(count++));
    std::filesystem::create_directories(path_);
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

  /// Writes a file, with the folders it needs.
  std::filesystem::path write(const std::string& name, std::string_view text) const {
    const auto file = path_ / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary).write(text.data(), static_cast<std::streamsize>(text.size()));
    return file;
  }
  std::filesystem::path write(const std::string& name, const Bytes& bytes) const {
    return write(name, std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  }

 private:
  std::filesystem::path path_;
};

/// Smooth colours with some noise: compresses like a photograph.
inline amnet::Image picture(std::int64_t height, std::int64_t width, std::uint64_t seed = 1) {
  const amnet::Random random(seed);
  amnet::Image image{height, width, {}};
  for (std::int64_t y = 0; y < height; ++y) {
    for (std::int64_t x = 0; x < width; ++x) {
      for (std::int64_t c = 0; c < 3; ++c) {
        const auto index = static_cast<std::uint64_t>((y * width + x) * 3 + c);
        const double base = 60 + 40 * random.uniform(static_cast<std::uint64_t>(1'000'000 + c)) +
                            100.0 * static_cast<double>(x + y) / static_cast<double>(height + width);
        image.pixels.push_back(static_cast<std::uint8_t>(base + 8 * random.uniform(index)));
      }
    }
  }
  return image;
}

inline Bytes bytes_of(std::string_view text) {
  const auto* begin = reinterpret_cast<const std::byte*>(text.data());
  return {begin, begin + text.size()};
}
inline void append(Bytes& target, const Bytes& more) { target.insert(target.end(), more.begin(), more.end()); }
/// The decoded bytes; the text has only the 64 letters and '=' at its end.
inline Bytes from_base64(std::string_view text) {
  constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  Bytes bytes;
  std::uint32_t bits = 0, count = 0;
  for (const char letter : text) {
    if (letter == '=') break;
    bits = bits << 6 | static_cast<std::uint32_t>(letters.find(letter));
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes.push_back(static_cast<std::byte>(bits >> count & 0xFF));
  }
  return bytes;
}
inline void append_big32(Bytes& target, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) target.push_back(static_cast<std::byte>(value >> shift & 0xFF));
}
inline void append_little(Bytes& target, std::uint32_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) target.push_back(static_cast<std::byte>(value >> (8 * i) & 0xFF));
}

/// A PNG chunk with its checksum, computed bit by bit so that it shares no code with the reader's
/// table.
inline Bytes png_chunk(std::string_view name, const Bytes& data) {
  Bytes chunk;
  append_big32(chunk, static_cast<std::uint32_t>(data.size()));
  append(chunk, bytes_of(name));
  append(chunk, data);
  std::uint32_t crc = 0xFFFFFFFF;
  for (std::size_t i = 4; i < chunk.size(); ++i) {
    crc ^= std::to_integer<std::uint32_t>(chunk[i]);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xEDB88320 : 0);
  }
  append_big32(chunk, ~crc);
  return chunk;
}

/// Rows as a zlib stream of stored (uncompressed) blocks.
inline Bytes zlib_stored(const Bytes& raw) {
  Bytes out = bytes_of("\x78\x01");
  for (std::size_t begin = 0; begin < raw.size(); begin += 65535) {
    const std::size_t length = std::min<std::size_t>(65535, raw.size() - begin);
    out.push_back(std::byte{begin + length == raw.size()});
    append_little(out, static_cast<std::uint32_t>(length), 2);
    append_little(out, static_cast<std::uint32_t>(~length & 0xFFFF), 2);
    out.insert(out.end(), raw.begin() + static_cast<std::ptrdiff_t>(begin), raw.begin() + static_cast<std::ptrdiff_t>(begin + length));
  }
  std::uint32_t a = 1, b = 0;
  for (const std::byte value : raw) {
    a = (a + std::to_integer<std::uint32_t>(value)) % 65521;
    b = (b + a) % 65521;
  }
  append_big32(out, b << 16 | a);
  return out;
}

struct PngOptions {
  std::uint32_t height = 0, width = 0;
  std::uint8_t depth = 8;   // bits per channel
  std::uint8_t colour = 2;  // 0 grey, 2 RGB, 3 palette, 4 grey + alpha, 6 RGBA
  Bytes palette = {};       // PLTE, colour 3
  Bytes extra = {};         // whole chunks after the header
};

/// `rows` holds the pixels without filter bytes.
inline Bytes png(const PngOptions& options, const Bytes& rows) {
  Bytes header;
  append_big32(header, options.width);
  append_big32(header, options.height);
  append(header, {std::byte{options.depth}, std::byte{options.colour}, std::byte{0}, std::byte{0}, std::byte{0}});
  Bytes filtered;
  const std::size_t stride = options.height == 0 ? 0 : rows.size() / options.height;
  for (std::size_t y = 0; y < options.height && stride > 0; ++y) {
    filtered.push_back(std::byte{0});
    filtered.insert(filtered.end(), rows.begin() + static_cast<std::ptrdiff_t>(y * stride),
                    rows.begin() + static_cast<std::ptrdiff_t>((y + 1) * stride));
  }
  Bytes file = bytes_of("\x89PNG\r\n\x1A\n");
  append(file, png_chunk("IHDR", header));
  append(file, options.extra);
  if (!options.palette.empty()) append(file, png_chunk("PLTE", options.palette));
  append(file, png_chunk("IDAT", zlib_stored(filtered)));
  append(file, png_chunk("IEND", {}));
  return file;
}

/// An RGB image as PNG.
inline Bytes png_of(const amnet::Image& image) {
  Bytes rows;
  for (const std::uint8_t value : image.pixels) rows.push_back(std::byte{value});
  return png({.height = static_cast<std::uint32_t>(image.height), .width = static_cast<std::uint32_t>(image.width)}, rows);
}

/// picture(5, 4) as a lossless WebP by libwebp's encoder.
inline Bytes webp_of_5x4() {
  return from_base64(
      "UklGRlgAAABXRUJQVlA4TEsAAAAvAwABAAWTAADTZJ1iR5rxzKRW4HkVtG3D8Cfadv8gUNi2DSLt/3tLo/4HcDFJ+utaWMd/TX2pUhFX7CL7j1eX6Adp+ZPNJ7TKbwcA");
}

}  // namespace test_images
