#include "memory_line.h"
#include "console.h"

#include <amnet/faces/memory_forecast.h>

void tell_memory(std::vector<amnet::MemoryUse> uses) {
  // Counts only the data: in a small job the memory of the program itself, 180 MB with the GPU
  // backend, is not worth a line.
  constexpr std::size_t worth_a_line = 100'000'000;
  if (amnet::total_of(uses) <= worth_a_line) return;
  uses.push_back({"program", amnet::program_bytes()});
  tell(amnet::memory_line(uses));
}
