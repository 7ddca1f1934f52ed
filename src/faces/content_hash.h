// XXH3 of bytes in memory: it distinguishes two files, and a damaged file from an intact one. It
// does not authenticate.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace amnet {

/// 128 bits: files with the same hash are taken to be the same.
struct ContentHash {
  std::uint64_t low = 0, high = 0;
  friend bool operator==(const ContentHash&, const ContentHash&) = default;
};
ContentHash content_hash(std::span<const std::byte> bytes);

/// 64 bits, against damage. The same number on every machine.
std::uint64_t content_checksum(std::span<const std::byte> bytes);

}  // namespace amnet
