#include <amnet/kernels/reduce.h>

#include "catch.h"
#include "parity.h"

using namespace amnet;

namespace {

constexpr Reduction reductions[] = {Reduction::sum, Reduction::absolute_sum, Reduction::sum_of_squares, Reduction::mean};

struct Rows {
  std::int64_t rows, columns;
};
// Rows for a warp each, for a block each, one alone, and more elements than a grid has threads.
const Rows sizes[] = {{1, 1}, {7, 3}, {33, 24}, {5, 1025}, {1, 70001}, {40, 3601}};

}  // namespace

TEMPLATE_TEST_CASE("reduce: forward", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("reduce: forward", [](Parity& parity) {
    for (const auto& [rows, columns] : sizes) {
      for (const Reduction reduction : reductions) {
        const Both x = parity.activation({rows, columns}, 1), y = parity.output(Shape{rows}, false);
        reduce_forward(parity.cpu, reduction, -1.5, x.host, y.host);
        reduce_forward(parity.cuda, reduction, -1.5, x.device, y.device);
        parity.check_each(y);
      }
    }
  });
}

TEMPLATE_TEST_CASE("reduce: backward", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("reduce: backward", [](Parity& parity) {
    for (const auto& [rows, columns] : sizes) {
      for (const Reduction reduction : reductions) {
        for (const Write write : {Write::skip, Write::assign, Write::add}) {
          const Both x = parity.activation({rows, columns}), dy = parity.parameter({rows});
          x.host.slice(0, 1).clear();  // where x is 0, so is the slope of its magnitude
          x.device.slice(0, 1).clear();
          const BothGradients dx = parity.gradient(x, write);
          reduce_backward(parity.cpu, reduction, 0.5, x.host, dy.host, dx.host);
          reduce_backward(parity.cuda, reduction, 0.5, x.device, dy.device, dx.device);
          parity.check_each(dx);
        }
      }
    }
  });
}
