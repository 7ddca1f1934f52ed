#include <amnet/core/random.h>

#include <cmath>
#include <limits>
#include <set>
#include <vector>

#include "catch.h"

using namespace amnet;

TEST_CASE("random: Philox gives the known answers of its authors", "[random]") {
  // Random123, tests/kat_vectors: philox4x32 with 10 rounds.
  using Words = std::array<std::uint32_t, 4>;
  CHECK(philox4x32({0, 0, 0, 0}, {0, 0}) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  const std::uint32_t ones = 0xffffffff;
  CHECK(philox4x32({ones, ones, ones, ones}, {ones, ones}) == Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("random: a stream is the FNV-1a of its name", "[random]") {
  // http://www.isthe.com/chongo/tech/comp/fnv: the 64-bit test vectors.
  CHECK(stream_of("") == 0xcbf29ce484222325);
  CHECK(stream_of("a") == 0xaf63dc4c8601ec8c);
  CHECK(stream_of("foobar") == 0x85944171f73967e8);
}

TEST_CASE("random: the draws of a seed never change between versions", "[random]") {
  // Computed from the definition by a separate program. A different result here breaks the resume
  // of every older run.
  CHECK(Random(0).bits(0) == 0xf8dc1230f1b644d8);
  CHECK(Random(1, stream_of("mirror"), 2).bits(3) == 0xc67d500afb5b824c);
  CHECK(Random(~std::uint64_t{0}, stream_of("order"), (std::uint64_t{1} << 40) + 1).bits((std::uint64_t{1} << 33) + 5) ==
        0x41e30ebf332b5291);
}

TEST_CASE("random: every bit of seed, stream, substream and index counts", "[random]") {
  std::set<std::uint64_t> draws{Random(5, 6, 7).bits(8)};
  std::size_t expected = 1;
  for (int bit = 0; bit < 64; ++bit) {
    const std::uint64_t flip = std::uint64_t{1} << bit;
    for (const std::uint64_t draw :
         {Random(5 ^ flip, 6, 7).bits(8), Random(5, 6 ^ flip, 7).bits(8), Random(5, 6, 7 ^ flip).bits(8), Random(5, 6, 7).bits(8 ^ flip)}) {
      draws.insert(draw);
      ++expected;
    }
  }
  CHECK(draws.size() == expected);
}

TEST_CASE("random: uniform numbers fill [0, 1) evenly", "[random]") {
  const Random random(11, stream_of("uniform"));
  constexpr int count = 200'000, bins = 50;
  std::vector<int> found(bins);
  double sum = 0, square = 0, products = 0, last = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    const double value = random.uniform(i);
    REQUIRE((value >= 0 && value < 1));
    ++found[static_cast<std::size_t>(value * bins)];
    sum += value;
    square += value * value;
    products += (value - 0.5) * (last - 0.5);
    last = value;
  }
  // Five standard deviations each.
  CHECK(sum / count == Approx(0.5).margin(5 * std::sqrt(1.0 / 12 / count)));
  CHECK(square / count == Approx(1.0 / 3).margin(5 * std::sqrt(4.0 / 45 / count)));
  CHECK(products / count == Approx(0).margin(5 * (1.0 / 12) / std::sqrt(count)));
  double chi_square = 0;
  for (const int each : found) chi_square += std::pow(each - count / bins, 2) / (count / bins);
  CHECK(chi_square == Approx(bins - 1).margin(5 * std::sqrt(2.0 * (bins - 1))));

  CHECK(random.uniform(3, -2, 6) == -2 + 8 * random.uniform(3));
}

TEST_CASE("random: normal numbers have the moments and the tails of a normal distribution", "[random]") {
  const Random random(12, stream_of("normal"));
  constexpr int count = 200'000;
  double moments[5] = {};
  int beyond_two = 0, beyond_four = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    const double value = random.normal(i);
    REQUIRE(std::isfinite(value));
    for (int power = 1; power <= 4; ++power) moments[power] += std::pow(value, power) / count;
    beyond_two += std::abs(value) > 2 ? 1 : 0;
    beyond_four += std::abs(value) > 4 ? 1 : 0;
  }
  const double unit = 5 / std::sqrt(count);  // five standard deviations of a mean of variance 1
  CHECK(moments[1] == Approx(0).margin(unit));
  CHECK(moments[2] == Approx(1).margin(unit * std::sqrt(2)));
  CHECK(moments[3] == Approx(0).margin(unit * std::sqrt(15)));
  CHECK(moments[4] == Approx(3).margin(unit * std::sqrt(96)));
  CHECK(beyond_two / double{count} == Approx(0.0455).margin(unit * std::sqrt(0.0455)));
  CHECK(beyond_four > 0);  // 12.7 are expected
  CHECK(beyond_four < 32);
}

TEST_CASE("random: below reaches every number under its bound, equally often", "[random]") {
  const Random random(13, stream_of("below"));
  std::vector<int> found(7);
  for (std::uint64_t i = 0; i < 70'000; ++i) ++found.at(random.below(i, 7));
  for (const int each : found) CHECK(each == Approx(10'000).margin(5 * std::sqrt(10'000 * 6.0 / 7)));
  const std::uint64_t large = (std::uint64_t{1} << 32) - 1;
  std::uint64_t greatest = 0;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    REQUIRE(random.below(i, 1) == 0);
    REQUIRE(random.below(i, large) < large);
    greatest = std::max(greatest, random.below(i, large));
  }
  CHECK(greatest > large / 100 * 99);
}
