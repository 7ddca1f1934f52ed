// The machine under test: a GPU.
#include <cstdio>

#include "catch.h"
#include "parity.h"

namespace amnet {

const bool emulated_gpu = false;

void for_each_machine(std::string_view test, ProductPrecision precision, double bound, const std::function<void(Parity&)>& body) {
  if (cuda_devices() == 0) {
    std::printf("SKIPPED %.*s: there is no GPU\n", static_cast<int>(test.size()), test.data());
    return;
  }
  INFO("AMNET_TEST_SEED=" << test_seed());
  Parity parity(precision, bound);
  body(parity);
}

}  // namespace amnet
