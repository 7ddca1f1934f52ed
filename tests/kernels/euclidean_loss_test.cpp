#include <amnet/kernels/euclidean_loss.h>
#include <amnet/layers/euclidean_loss.h>

#include "catch.h"
#include "values.h"

using namespace amnet;

TEST_CASE("euclidean_loss: half the mean squared distance and its gradients", "[euclidean_loss]") {
  Cpu cpu(2);
  const Tensor a = Tensor::of<double>({2, 2}, {1, 2, 3, 4}), b = Tensor::of<double>({2, 2}, {0, 4, 3, 1}), loss({1}, DType::f64);
  const Tensor dloss = Tensor::of<double>({1}, {10}), da({2, 2}, DType::f64), db = Tensor::of<double>({2, 2}, {100, 100, 100, 100});
  euclidean_loss_forward(cpu, a, b, loss);
  CHECK(loss.item() == (1 + 4 + 0 + 9) / 4.0);
  euclidean_loss_backward(cpu, a, b, dloss, {da, Write::assign}, {db, Write::add});
  CHECK(values_of<double>(da) == std::vector<double>{5, -10, 0, 15});
  CHECK(values_of<double>(db) == std::vector<double>{95, 110, 100, 85});
  CHECK_NOTHROW(euclidean_loss_backward(cpu, a, b, dloss, {}, {}));
  const std::vector<TensorSpec> different{{{2, 2}, DType::f32}, {{2, 3}, DType::f32}};
  CHECK_THROWS_WITH(EuclideanLoss().setup(different),
                    "[euclidean_loss] expected two inputs (N, ...) of one shape but got f32 (2,2) and f32 (2,3).");
}
