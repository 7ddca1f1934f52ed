#include "memory_line.h"
#include "console.h"

#include <amnet/train/memory_forecast.h>

void tell_memory(std::vector<amnet::MemoryUse> uses) {
  constexpr std::size_t worth_a_line = 100'000'000;
  uses.push_back({"program", amnet::program_bytes()});
  if (amnet::total_of(uses) > worth_a_line) tell(amnet::memory_line(uses));
}
