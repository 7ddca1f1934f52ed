// What a command will take of memory, told before it takes it.
#pragma once

#include <amnet/core/memory_use.h>

#include <vector>

/// One line on stderr where it is more than 100 MB; the program itself is added.
void tell_memory(std::vector<amnet::MemoryUse> uses);
