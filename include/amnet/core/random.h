// Counter-based random numbers: every draw is a function of a key and a counter, never of how many
// draws came before it on this thread. That is why any number of loader threads gives the same
// bytes. Philox4x32-10 of Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3"
// (SC 2011), section 3.
//
//   Random random(seed, stream_of("mirror"), epoch);
//   bool mirror = random.uniform(index) < 0.5;
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace amnet {

/// The ten-round Philox bijection of a 128-bit counter under a 64-bit key.
std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key);

/// A stable 64-bit number for a name (FNV-1a), to keep draws for different purposes apart.
constexpr std::uint64_t stream_of(std::string_view name) {
  std::uint64_t hash = 14695981039346656037ULL;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  return hash;
}

/// Draws addressed by an index. Two Randoms with the same (seed, stream, substream) are the same
/// function.
class Random {
 public:
  explicit Random(std::uint64_t seed, std::uint64_t stream = 0, std::uint64_t substream = 0);

  /// 64 uniform bits.
  std::uint64_t bits(std::uint64_t index) const;
  /// Uniform in [0, 1), with 53 bits.
  double uniform(std::uint64_t index) const;
  /// Uniform in [low, high).
  double uniform(std::uint64_t index, double low, double high) const { return low + (high - low) * uniform(index); }
  /// Normal with mean 0 and standard deviation 1 (Box and Muller, 1958).
  double normal(std::uint64_t index) const;
  /// Uniform in {0, ..., bound-1} with a bias below bound / 2^64; bound >= 1.
  std::uint64_t below(std::uint64_t index, std::uint64_t bound) const;

 private:
  std::array<std::uint32_t, 2> key_;
  std::uint64_t substream_;
};

}  // namespace amnet
