#include <amnet/kernels/transfer.h>

#include "catch.h"

using namespace amnet;

TEST_CASE("transfer: on a CPU nothing moves, and results come in the order they were put", "[transfer]") {
  Cpu cpu(1);
  const Tensor batch = Tensor::of<float>({2}, {1, 2});
  const auto upload = make_upload(cpu);
  CHECK(upload->bring({batch})[0].raw() == batch.raw());
  const auto results = make_results(cpu);
  for (const float loss : {1.0F, 2.0F, 3.0F}) {
    const Tensor value = Tensor::of<float>({1}, {loss});
    results->put({value});
    value.clear();  // the result keeps the value that was put
  }
  CHECK(results->waiting() == 3);
  for (const double loss : {1.0, 2.0, 3.0}) CHECK(results->take()[0].item() == loss);
  CHECK_THROWS_AS(results->take(), UsageError);
}
