// Compares amnet's tensors with the reference code's arrays: N,C,H,W there and N,H,W,C here, which
// is also the conversion for convolution weights.
#pragma once

#include <amnet/core/tensor.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "catch.h"
#include "golden/npz.h"

namespace golden {

/// The array as a tensor of amnet: four dimensions become channels-last, others stay.
inline amnet::Tensor tensor_of(const Array& array) {
  const amnet::Shape shape{std::span<const std::int64_t>(array.shape)};
  const amnet::Tensor as_is = amnet::Tensor::of(shape, std::span<const float>(array.values));
  if (shape.rank() != 4) return as_is;
  const std::int64_t outer = shape[0], channels = shape[1], positions = shape[2] * shape[3];
  amnet::Tensor last({outer, shape[2], shape[3], channels}, amnet::DType::f32);
  const auto to = last.data<float>();
  for (std::size_t i = 0; i < to.size(); ++i) {
    const auto index = static_cast<std::int64_t>(i);
    const std::int64_t c = index % channels, p = index / channels % positions, n = index / channels / positions;
    to[i] = array.values[static_cast<std::size_t>((n * channels + c) * positions + p)];
  }
  return last;
}

/// The reference code stores labels as whole numbers in float32.
inline amnet::Tensor labels_of(const Array& array) {
  const std::vector<std::int64_t> labels(array.values.begin(), array.values.end());
  return amnet::Tensor::of(amnet::Shape{std::span<const std::int64_t>(array.shape)}, std::span<const std::int64_t>(labels));
}

/// The extents without ones: (N,C,1,1) in the reference code is (N,C) in amnet.
inline std::vector<std::int64_t> extents_of(const amnet::Shape& shape) {
  std::vector<std::int64_t> extents;
  for (int i = 0; i < shape.rank(); ++i) {
    if (shape[i] != 1) extents.push_back(shape[i]);
  }
  return extents;
}

/// One CHECK per array at `bar` times the largest magnitude of the reference code's array; keeps
/// the worst.
class Judge {
 public:
  explicit Judge(double bar) : bar_(bar) {}

  void compare(const std::string& what, const Array& expected, const amnet::Tensor& actual) { compare(what, tensor_of(expected), actual); }
  /// Both in the order of the reference code.
  void compare_blob(const std::string& what, const Array& expected, const amnet::Tensor& actual) {
    compare(what, amnet::Tensor::of(amnet::Shape{std::span<const std::int64_t>(expected.shape)}, std::span<const float>(expected.values)),
            actual);
  }
  void compare(const std::string& what, const amnet::Tensor& wanted, const amnet::Tensor& actual) {
    INFO(what);
    REQUIRE(extents_of(actual.shape()) == extents_of(wanted.shape()));
    const auto a = actual.data<float>(), b = wanted.data<float>();
    double largest = 0, difference = 0;
    for (std::size_t i = 0; i < b.size(); ++i) {
      const double gap = std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
      largest = std::max(largest, std::abs(static_cast<double>(b[i])));
      difference = std::isfinite(gap) ? std::max(difference, gap) : std::numeric_limits<double>::infinity();
    }
    // infinite where zeros were expected
    const double deviation = difference == 0 ? 0 : difference / largest;
    ++arrays_;
    if (deviation > worst_) {
      worst_ = deviation;
      worst_array_ = what;
    }
    CHECK(deviation <= bar_);
  }

  /// "812 arrays, worst 3.1e-07 of its largest magnitude (...)"
  std::string summary() const {
    return fmt::format("{} arrays compared, worst deviation {:.1e} of an array's largest magnitude ({})", arrays_, worst_, worst_array_);
  }
  int arrays() const { return arrays_; }

 private:
  double bar_;
  int arrays_ = 0;
  double worst_ = 0;
  std::string worst_array_ = "none";
};

}  // namespace golden
