// The generator of core/random.h, in a form that a GPU's kernels can compute too: no class, no
// std::array.
#pragma once

#include <cstdint>

#include "host_device.h"

namespace amnet {

AMNET_HOST_DEVICE constexpr std::uint32_t low_word(std::uint64_t value) { return static_cast<std::uint32_t>(value); }
AMNET_HOST_DEVICE constexpr std::uint32_t high_word(std::uint64_t value) { return static_cast<std::uint32_t>(value >> 32); }

/// The ten rounds of Philox4x32 in place, with the multipliers and Weyl increments of Salmon et al.
/// 2011, table 2.
AMNET_HOST_DEVICE constexpr void philox_rounds(std::uint32_t (&words)[4], std::uint32_t key_0, std::uint32_t key_1) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t product_0 = std::uint64_t{0xD2511F53} * words[0];
    const std::uint64_t product_1 = std::uint64_t{0xCD9E8D57} * words[2];
    words[0] = high_word(product_1) ^ words[1] ^ key_0;
    words[1] = low_word(product_1);
    words[2] = high_word(product_0) ^ words[3] ^ key_1;
    words[3] = low_word(product_0);
    key_0 += 0x9E3779B9;
    key_1 += 0xBB67AE85;
  }
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): spreads seed and stream over the whole
/// key.
constexpr std::uint64_t split_mix(std::uint64_t value) {
  value += 0x9E3779B97F4A7C15ULL;
  value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9ULL;
  value = (value ^ (value >> 27)) * 0x94D049BB133111EBULL;
  return value ^ (value >> 31);
}
/// The key of Random(seed, stream).
constexpr std::uint64_t random_key(std::uint64_t seed, std::uint64_t stream) { return split_mix(split_mix(seed) ^ stream); }

/// Random::bits(index) of the Random with this key and substream.
AMNET_HOST_DEVICE constexpr std::uint64_t random_bits(std::uint64_t key, std::uint64_t substream, std::uint64_t index) {
  std::uint32_t words[4] = {low_word(index), high_word(index), low_word(substream), high_word(substream)};
  philox_rounds(words, low_word(key), high_word(key));
  return std::uint64_t{words[1]} << 32 | words[0];
}

}  // namespace amnet
