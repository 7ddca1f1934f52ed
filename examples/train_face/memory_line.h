// The memory that a command needs, reported before it is allocated.
#pragma once

#include <amnet/core/memory_use.h>

#include <vector>

/// Prints one line on stderr where it is more than 100 MB; adds the program itself.
void tell_memory(std::vector<amnet::MemoryUse> uses);
