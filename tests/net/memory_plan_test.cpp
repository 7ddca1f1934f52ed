#include "net/memory_plan.h"
#include "catch.h"

#include <amnet/core/random.h>

#include <algorithm>

using namespace amnet;

namespace {

// The largest number of bytes in use at one moment: no plan can be smaller.
std::size_t lower_bound(const std::vector<Lifetime>& lifetimes) {
  std::size_t most = 0;
  for (int moment = 0; moment <= 100; ++moment) {
    std::size_t bytes = 0;
    for (const Lifetime& lifetime : lifetimes) {
      if (lifetime.first <= moment && moment <= lifetime.last) bytes += (lifetime.bytes + 63) / 64 * 64;
    }
    most = std::max(most, bytes);
  }
  return most;
}

}  // namespace

TEST_CASE("memory plan: tensors that never meet share their bytes", "[memory_plan]") {
  const std::vector<Lifetime> lifetimes = {{4096, 0, 3}, {4096, 4, 5}, {64, 3, 4}};
  const MemoryPlan plan = plan_memory(lifetimes);
  CHECK(plan.offsets[0] == plan.offsets[1]);
  CHECK(plan.bytes == 4096 + 64);
}

TEST_CASE("memory plan: no two tensors that share a moment share a byte, on random lifetimes", "[memory_plan]") {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const Random random(seed);
    std::vector<Lifetime> lifetimes;
    for (std::uint64_t i = 0; i < 40; ++i) {
      const int first = static_cast<int>(random.below(3 * i, 90));
      lifetimes.push_back({random.below(3 * i + 1, 5000), first, first + static_cast<int>(random.below(3 * i + 2, 10))});
    }
    const MemoryPlan plan = plan_memory(lifetimes);
    for (std::size_t i = 0; i < lifetimes.size(); ++i) {
      REQUIRE(plan.offsets[i] % 64 == 0);
      REQUIRE(plan.offsets[i] + lifetimes[i].bytes <= plan.bytes);
      for (std::size_t j = 0; j < i; ++j) {
        const bool meet = lifetimes[i].first <= lifetimes[j].last && lifetimes[j].first <= lifetimes[i].last;
        const bool overlap =
            plan.offsets[i] < plan.offsets[j] + lifetimes[j].bytes && plan.offsets[j] < plan.offsets[i] + lifetimes[i].bytes;
        REQUIRE_FALSE((meet && overlap));
      }
    }
    CHECK(plan.bytes <= lower_bound(lifetimes) * 3 / 2);
  }
}
