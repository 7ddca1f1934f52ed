#include <amnet/kernels/contrastive_loss.h>
#include <amnet/layers/contrastive_loss.h>

#include "catch.h"
#include "values.h"

using namespace amnet;

namespace {

struct Found {
  double loss;
  std::vector<double> da, db;
};

/// Distances 5, 5, 0.5 and 0, of a similar pair and three dissimilar ones, one value per feature.
Found found(const ContrastiveRule& rule, const Tensor& labels, const Tensor& other_labels) {
  Cpu cpu(2);
  const Tensor a = Tensor::of<double>({4, 2}, {3, 4, 3, 4, 0.5, 0, 1, 1}), b = Tensor::of<double>({4, 2}, {0, 0, 0, 0, 0, 0, 1, 1});
  const Tensor loss({1}, DType::f64), dloss = Tensor::of<double>({1}, {4}), da({4, 2}, DType::f64), db({4, 2}, DType::f64);
  contrastive_loss_forward(cpu, rule, a, b, labels, other_labels, loss);
  contrastive_loss_backward(cpu, rule, a, b, labels, other_labels, dloss, {da, Write::assign}, {db, Write::assign});
  return {loss.item(), values_of<double>(da), values_of<double>(db)};
}

}  // namespace

TEST_CASE("contrastive_loss: pairs of one label and of two, and flags in their place", "[contrastive_loss]") {
  const Tensor labels = Tensor::of<std::int64_t>({4}, {7, 7, 7, 7}), others = Tensor::of<std::int64_t>({4}, {7, 1, 2, 3});
  const Found plain = found({.margin = 2}, labels, others);
  CHECK(plain.loss == Approx((25 + 0 + 1.5 * 1.5 + 4) / 8));
  // nothing where the distance is 0
  CHECK(plain.da == std::vector<double>{3, 4, 0, 0, -1.5, 0, 0, 0});
  for (std::size_t i = 0; i < plain.da.size(); ++i) CHECK(plain.db[i] == -plain.da[i]);
  const Found of_flags = found({.margin = 2}, Tensor::of<std::int64_t>({4}, {1, 0, 0, 0}), {});
  CHECK(of_flags.loss == plain.loss);
  CHECK(of_flags.da == plain.da);
  const Found legacy = found({.margin = 2, .legacy = true}, labels, others);
  CHECK(legacy.loss == Approx((25 + 0 + 1.75 + 2) / 8));
  CHECK(legacy.da == std::vector<double>{3, 4, 0, 0, -0.5, 0, 0, 0});
  const Found reference = found({.margin = 2, .reference = true}, labels, others);
  CHECK(reference.loss == plain.loss);
  CHECK(reference.da[4] == Approx(-1.5 / 0.5001 * 0.5));
}

TEST_CASE("contrastive_loss: other inputs are refused", "[contrastive_loss]") {
  const TensorSpec x{{4, 2}, DType::f32}, y{{4, 3}, DType::f32}, labels{{4}, DType::i64}, few{{3}, DType::i64};
  const auto setup = [](std::vector<TensorSpec> inputs) { return ContrastiveLoss().setup(inputs); };
  CHECK_NOTHROW(setup({x, x, labels}));
  CHECK_NOTHROW(setup({x, x, labels, labels}));
  CHECK_THROWS_AS(setup({x, x}), UsageError);
  CHECK_THROWS_AS(setup({x, y, labels}), UsageError);
  CHECK_THROWS_AS(setup({x, x, labels, few}), UsageError);
  CHECK_THROWS_AS(setup({x, x, x}), UsageError);
}
