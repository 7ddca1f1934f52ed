#include <amnet/kernels/clip_factor.h>

#include "catch.h"
#include "parity.h"

using namespace amnet;

TEMPLATE_TEST_CASE("clip_factor: forward", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("clip_factor: forward", [](Parity& parity) {
    for (const double squares : {0.0, 3.0, 4.0, 5.0, 1e60}) {
      const Tensor wanted = Tensor::of<double>({1}, {7}), found = wanted.to(Memory::cuda), given = Tensor::of<double>({1}, {squares});
      clip_factor(parity.cpu, given, 2, wanted);
      clip_factor(parity.cuda, given.to(Memory::cuda), 2, found);
      CHECK(found.to(Memory::host).item() == Approx(wanted.item()).epsilon(1e-12));
    }
  });
}
