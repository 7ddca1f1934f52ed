// The three bytes of a pixel as lanes of one number, so that one multiplication weights all of
// them: a third of the work of a warp or of a filter.
#pragma once

#include <cstdint>

namespace amnet {

/// Of the fraction of a weight: weights of a mean are whole numbers >= 0 with the sum
/// 2^weight_bits, and a weighted sum then needs 8 + weight_bits of a lane's 21 bits.
inline constexpr int weight_bits = 12;

inline std::uint64_t lanes_of(const std::uint8_t* pixel) {
  return std::uint64_t{pixel[0]} | std::uint64_t{pixel[1]} << 21 | std::uint64_t{pixel[2]} << 42;
}

/// Writes a weighted sum as three rounded bytes.
inline void put_mean(std::uint64_t sum, std::uint8_t* pixel) {
  constexpr std::uint64_t half = std::uint64_t{1} << (weight_bits - 1);
  sum += half | half << 21 | half << 42;
  pixel[0] = static_cast<std::uint8_t>(sum >> weight_bits);
  pixel[1] = static_cast<std::uint8_t>(sum >> (weight_bits + 21));
  pixel[2] = static_cast<std::uint8_t>(sum >> (weight_bits + 42));
}

}  // namespace amnet
