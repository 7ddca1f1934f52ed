#include <amnet/kernels/sum_of_squares.h>

#include "catch.h"
#include "parity.h"

using namespace amnet;

TEMPLATE_TEST_CASE("sum_of_squares: forward", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("sum_of_squares: forward", [](Parity& parity) {
    for (const std::int64_t count : {1, 31, 5000, 133237}) {
      const Both x = parity.activation({count});
      const Tensor wanted = Tensor::of<double>({1}, {0.25}), found = wanted.to(Memory::cuda);
      sum_of_squares(parity.cpu, x.host, wanted);
      sum_of_squares(parity.cuda, x.device, found);
      CHECK(found.to(Memory::host).item() == Approx(wanted.item()).epsilon(1e-12));
    }
  });
}
