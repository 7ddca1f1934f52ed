#include <amnet/core/random.h>

#include <cmath>
#include <numbers>

#include "philox.h"

namespace amnet {

std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key) {
  std::uint32_t words[4] = {counter[0], counter[1], counter[2], counter[3]};
  philox_rounds(words, key[0], key[1]);
  return {words[0], words[1], words[2], words[3]};
}

Random::Random(std::uint64_t seed, std::uint64_t stream, std::uint64_t substream) : substream_(substream) {
  const std::uint64_t key = random_key(seed, stream);
  key_ = {low_word(key), high_word(key)};
}

std::uint64_t Random::bits(std::uint64_t index) const { return random_bits(std::uint64_t{key_[1]} << 32 | key_[0], substream_, index); }

double Random::uniform(std::uint64_t index) const { return static_cast<double>(bits(index) >> 11) * 0x1p-53; }

double Random::normal(std::uint64_t index) const {
  const auto words = philox4x32({low_word(index), high_word(index), low_word(substream_), high_word(substream_)}, key_);
  // In (0,1], so that the logarithm is finite.
  const double radius = (words[0] + 1.0) * 0x1p-32;
  const double angle = 2 * std::numbers::pi * words[1] * 0x1p-32;
  return std::sqrt(-2 * std::log(radius)) * std::cos(angle);
}

std::uint64_t Random::below(std::uint64_t index, std::uint64_t bound) const {
  // The high half of a 64 x 32-bit product: the bias is below 2^-32 and negligible.
  return static_cast<std::uint64_t>((static_cast<unsigned __int128>(bits(index)) * bound) >> 64);
}

}  // namespace amnet
