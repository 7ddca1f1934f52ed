#include <amnet/kernels/feature_statistics.h>

#include "catch.h"

using namespace amnet;

TEST_CASE("feature statistics: cosine to the own class and feature norm, by hand", "[feature_statistics]") {
  Cpu cpu(1);
  const Tensor features = Tensor::of<float>({4, 2}, {3, 4, 0, 0, -5, 12, 1e-30F, 0});
  const Tensor weights = Tensor::of<float>({3, 2}, {2, 0, 0, 0.5F, 0, 0});
  const Tensor labels = Tensor::of<std::int64_t>({4}, {0, 1, 1, 0});
  const Tensor found({2}, DType::f64);
  feature_statistics(cpu, features, weights, labels, found);
  // 3/5 with class 0; a zero feature counts as 0; 12/13 with class 1; a tiny feature has a
  // direction like any other.
  CHECK(found.data<double>()[0] == Approx((0.6 + 0 + 12.0 / 13 + 1) / 4));
  CHECK(found.data<double>()[1] == Approx((5 + 0 + 13 + 1e-30) / 4));
  const Tensor unlearned = Tensor::of<std::int64_t>({4}, {2, 2, 2, 2});  // weights of zero
  feature_statistics(cpu, features, weights, unlearned, found);
  CHECK(found.data<double>()[0] == 0);
}

TEST_CASE("feature statistics: of several centres the closest counts", "[feature_statistics]") {
  Cpu cpu(1);
  const Tensor features = Tensor::of<float>({2, 2}, {3, 4, 1, 0});
  const Tensor weights = Tensor::of<float>({4, 2}, {2, 0, 0, 5, -1, 0, 0, -1});
  const Tensor found({2}, DType::f64);
  feature_statistics(cpu, features, weights, Tensor::of<std::int64_t>({2}, {0, 1}), found, 2);
  CHECK(found.data<double>()[0] == Approx((0.8 + 0) / 2));
  CHECK(found.data<double>()[1] == Approx(3));
}
