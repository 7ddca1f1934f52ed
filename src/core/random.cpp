#include <amnet/core/random.h>

#include <cmath>
#include <numbers>

namespace amnet {
namespace {

// The multipliers and Weyl increments of Salmon et al. 2011, table 2.
constexpr std::uint32_t multiplier_0 = 0xD2511F53;
constexpr std::uint32_t multiplier_1 = 0xCD9E8D57;
constexpr std::uint32_t weyl_0 = 0x9E3779B9;
constexpr std::uint32_t weyl_1 = 0xBB67AE85;

constexpr std::uint32_t low(std::uint64_t value) { return static_cast<std::uint32_t>(value); }
constexpr std::uint32_t high(std::uint64_t value) { return static_cast<std::uint32_t>(value >> 32); }

// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): spreads seed and stream over the whole key.
constexpr std::uint64_t mix(std::uint64_t value) {
  value += 0x9E3779B97F4A7C15ULL;
  value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9ULL;
  value = (value ^ (value >> 27)) * 0x94D049BB133111EBULL;
  return value ^ (value >> 31);
}

}  // namespace

std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t product_0 = std::uint64_t{multiplier_0} * counter[0];
    const std::uint64_t product_1 = std::uint64_t{multiplier_1} * counter[2];
    counter = {high(product_1) ^ counter[1] ^ key[0], low(product_1), high(product_0) ^ counter[3] ^ key[1], low(product_0)};
    key = {key[0] + weyl_0, key[1] + weyl_1};
  }
  return counter;
}

Random::Random(std::uint64_t seed, std::uint64_t stream, std::uint64_t substream) : substream_(substream) {
  const std::uint64_t key = mix(mix(seed) ^ stream);
  key_ = {low(key), high(key)};
}

std::uint64_t Random::bits(std::uint64_t index) const {
  const auto words = philox4x32({low(index), high(index), low(substream_), high(substream_)}, key_);
  return std::uint64_t{words[1]} << 32 | words[0];
}

double Random::uniform(std::uint64_t index) const { return static_cast<double>(bits(index) >> 11) * 0x1p-53; }

double Random::normal(std::uint64_t index) const {
  const auto words = philox4x32({low(index), high(index), low(substream_), high(substream_)}, key_);
  // In (0,1], so that the logarithm is finite.
  const double radius = (words[0] + 1.0) * 0x1p-32;
  const double angle = 2 * std::numbers::pi * words[1] * 0x1p-32;
  return std::sqrt(-2 * std::log(radius)) * std::cos(angle);
}

std::uint64_t Random::below(std::uint64_t index, std::uint64_t bound) const {
  // The high half of a 64 x 32-bit product: the bias is below 2^-32 and cannot be seen.
  return static_cast<std::uint64_t>((static_cast<unsigned __int128>(bits(index)) * bound) >> 64);
}

}  // namespace amnet
