#include "memory_plan.h"

#include <algorithm>
#include <numeric>

namespace amnet {

MemoryPlan plan_memory(std::span<const Lifetime> lifetimes) {
  constexpr std::size_t alignment = 64;
  const auto rounded = [](std::size_t bytes) { return (bytes + alignment - 1) / alignment * alignment; };

  std::vector<std::size_t> by_size(lifetimes.size());
  std::iota(by_size.begin(), by_size.end(), std::size_t{0});
  std::ranges::stable_sort(by_size, std::greater{}, [&](std::size_t i) { return lifetimes[i].bytes; });

  MemoryPlan plan{.offsets = std::vector<std::size_t>(lifetimes.size()), .bytes = 0};
  std::vector<std::size_t> placed;  // by offset
  for (const std::size_t i : by_size) {
    const Lifetime& wanted = lifetimes[i];
    std::size_t offset = 0;
    for (const std::size_t j : placed) {
      const Lifetime& other = lifetimes[j];
      const bool meets = wanted.first <= other.last && other.first <= wanted.last;
      if (!meets) continue;
      // the gap before it is large enough
      if (offset + rounded(wanted.bytes) <= plan.offsets[j]) break;
      offset = std::max(offset, plan.offsets[j] + rounded(other.bytes));
    }
    plan.offsets[i] = offset;
    plan.bytes = std::max(plan.bytes, offset + rounded(wanted.bytes));
    placed.insert(std::ranges::upper_bound(placed, offset, {}, [&](std::size_t j) { return plan.offsets[j]; }), i);
  }
  return plan;
}

}  // namespace amnet
