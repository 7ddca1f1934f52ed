// One target as a program of libFuzzer's (https://llvm.org/docs/LibFuzzer.html), which calls this
// function with one input after another.
#include "fuzz/targets.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::AMNET_FUZZ_TARGET({data, size});
  return 0;
}
