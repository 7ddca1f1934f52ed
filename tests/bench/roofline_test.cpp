// The roofs with which the benchmarks' figures are compared.
#include "bench/roofline.h"

#include "catch.h"

using namespace amnet::bench;

namespace {
constexpr std::size_t mebibyte = std::size_t{1} << 20, gibibyte = std::size_t{1} << 30;
}

TEST_CASE("roofline: the arrays that are copied outgrow the cache, but take a quarter of the memory at most", "[bench]") {
  CHECK(copy_array_bytes(32 * mebibyte, 16 * gibibyte) == 128 * mebibyte);
  CHECK(copy_array_bytes(0, 16 * gibibyte) == 128 * mebibyte);
  CHECK(copy_array_bytes(260 * mebibyte, 24 * gibibyte) == 520 * mebibyte);
  CHECK(copy_array_bytes(260 * mebibyte, 2 * gibibyte) == 256 * mebibyte);
  CHECK(copy_array_bytes(3, 999'999'999) % 4096 == 0);
}

TEST_CASE("roofline: this machine has a cache, memory and a peak", "[bench]") {
  CHECK(physical_memory_bytes() > last_level_cache_bytes());
  CHECK(measure_copy_gbytes(2, 4 * mebibyte) > 0);
#if defined(__OPTIMIZE__)  // without optimisation the sums are kept on the stack
  // A modern core multiplies at more than 1 GFLOP/s, and none at more than 10,000.
  const double peak = measure_multiply_add_gflops(1);
  CHECK(peak > 1);
  CHECK(peak < 10'000);
#endif
}
