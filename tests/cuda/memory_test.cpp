#include <amnet/core/error.h>
#include <amnet/core/memory.h>

#include "catch.h"
#include "parity.h"

using namespace amnet;

TEST_CASE("memory: what a GPU has is told, and what it has not is refused with what was wanted and what is free", "[gpu]") {
  for_each_machine<F32>("memory: what a GPU has", [](Parity&) {
    const DeviceMemory now = device_memory();
    CHECK(now.free > 0);
    CHECK(now.free <= now.total);
    const std::size_t absurd = std::size_t{1} << 60;
    CHECK_THROWS_WITH(allocate(Memory::cuda, absurd),
                      Catch::StartsWith("[memory] wanted 1152921504606.8 MB of the GPU's memory but ") && Catch::Contains(" MB are free."));
    try {
      allocate(Memory::cuda, absurd);
    } catch (const DeviceMemoryError& error) {
      CHECK(error.wanted == absurd);
      CHECK(error.free > 0);
      CHECK(error.free <= now.total);
    }
    const auto taken = allocate(Memory::cuda, 12345);
    // A GPU's driver allocates larger pieces, and other processes take memory too.
    if (emulated_gpu) CHECK(device_memory().free == now.free - 12345);
    CHECK_NOTHROW(allocate(Memory::cuda, 1));  // one failure does not cause another
  });
}
