#include <amnet/kernels/combine.h>

#include <array>
#include <vector>

#include "catch.h"
#include "values.h"

using namespace amnet;

namespace {

std::vector<double> forward(const CombineRule& rule, const std::vector<Tensor>& xs) {
  Cpu cpu(1);
  const Tensor y(xs[0].shape(), DType::f64);
  combine_forward(cpu, rule, xs, y);
  return values_of<double>(y);
}

/// The gradients of every tensor for dy = 1, 2, 3, ..., after each other.
std::vector<std::vector<double>> backward(const CombineRule& rule, const std::vector<Tensor>& xs) {
  Cpu cpu(1);
  const Tensor dy(xs[0].shape(), DType::f64), dx(xs[0].shape(), DType::f64);
  for (std::size_t i = 0; i < dy.data<double>().size(); ++i) dy.data<double>()[i] = static_cast<double>(i + 1);
  std::vector<std::vector<double>> gradients;
  for (std::size_t k = 0; k < xs.size(); ++k) {
    dx.fill(1);
    combine_backward(cpu, rule, rule.operation == Combination::sum ? std::vector<Tensor>(xs.size()) : xs, k, dy, {dx, Write::add});
    gradients.push_back(values_of<double>(dx));
  }
  return gradients;
}

using Rows = std::vector<std::vector<double>>;

}  // namespace

TEST_CASE("combine: sums with coefficients", "[combine]") {
  const std::vector<Tensor> xs{Tensor::of<double>({2}, {1, 2}), Tensor::of<double>({2}, {10, 20}), Tensor::of<double>({2}, {100, 200})};
  CHECK(forward({}, xs) == std::vector<double>{111, 222});
  const CombineRule rule{.coefficients = {1, -0.5, 2}};
  CHECK(forward(rule, xs) == std::vector<double>{196, 392});
  CHECK(backward(rule, xs) == Rows{{2, 3}, {0.5, 0}, {3, 5}});
}

TEST_CASE("combine: products, also with zeros", "[combine]") {
  const CombineRule rule{.operation = Combination::product};
  const std::vector<Tensor> xs{Tensor::of<double>({2}, {2, 0}), Tensor::of<double>({2}, {3, 5}), Tensor::of<double>({2}, {4, 7})};
  CHECK(forward(rule, xs) == std::vector<double>{24, 0});
  CHECK(backward(rule, xs) == Rows{{13, 71}, {9, 1}, {7, 1}});
}

TEST_CASE("combine: of equal maxima one alone gets the gradient", "[combine]") {
  const CombineRule rule{.operation = Combination::maximum};
  const std::vector<Tensor> xs{Tensor::of<double>({5}, {5, 1, 4, 2, 1}), Tensor::of<double>({5}, {5, 3, 2, 2, 1}),
                               Tensor::of<double>({5}, {5, 3, 4, 9, 1})};
  CHECK(forward(rule, xs) == std::vector<double>{5, 3, 4, 9, 1});
  // of the first two the second, of later ones only a larger one
  CHECK(backward(rule, xs) == Rows{{1, 1, 4, 1, 1}, {2, 3, 1, 1, 6}, {1, 1, 1, 5, 1}});
}

TEST_CASE("combine: refuses other shapes, and coefficients of what is no sum", "[combine]") {
  Cpu cpu(1);
  const Tensor x({2}, DType::f64), other({3}, DType::f64);
  CHECK_THROWS_WITH(combine_forward(cpu, {}, std::array{x, other}, x),
                    "[combine] expected tensors of one shape but got f64 (3) and f64 (2).");
  CHECK_THROWS_WITH(combine_forward(cpu, {}, std::array{x}, x), "[combine] expected 2 to 32 tensors but got 1.");
  CHECK_THROWS_WITH(combine_forward(cpu, {.operation = Combination::product, .coefficients = {1, 2}}, std::array{x, x}, x),
                    "[combine] expected coefficients for a sum alone, one for each of 2 tensors, but got 2 for a product.");
}
