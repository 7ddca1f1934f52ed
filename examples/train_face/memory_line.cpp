#include "memory_line.h"
#include "console.h"

#include <amnet/faces/memory_forecast.h>

void tell_memory(std::vector<amnet::MemoryUse> uses) {
  // Of what the data take: the program itself, 180 MB where the GPU backend is built in, is no news
  // in a small job.
  constexpr std::size_t worth_a_line = 100'000'000;
  if (amnet::total_of(uses) <= worth_a_line) return;
  uses.push_back({"program", amnet::program_bytes()});
  tell(amnet::memory_line(uses));
}
