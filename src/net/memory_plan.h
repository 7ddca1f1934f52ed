// Lays tensors with known lifetimes into one block of memory so that those which never live at the
// same time share it. Greedy by size: the largest first, each at the lowest offset that no
// overlapping lifetime occupies (Pisarchyk and Lee, "Efficient Memory Management for Deep Neural
// Net Inference", arXiv 2001.03288, section 5.2).
//
//   std::vector<Lifetime> wanted = {{.bytes = 4096, .first = 0, .last = 3}, {.bytes = 4096, .first = 4, .last = 5}};
//   MemoryPlan plan = plan_memory(wanted);   // both at offset 0, 4096 bytes in all
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace amnet {

/// One tensor: its size, and the first and last moment (inclusive) at which it is used.
struct Lifetime {
  std::size_t bytes = 0;
  int first = 0;
  int last = 0;
};

struct MemoryPlan {
  std::vector<std::size_t> offsets;  ///< one per lifetime, multiples of 64
  std::size_t bytes = 0;             ///< size of the block
};

/// No two lifetimes that share a moment share a byte.
MemoryPlan plan_memory(std::span<const Lifetime> lifetimes);

}  // namespace amnet
