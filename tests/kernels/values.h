// What the tests of the small kernels compare with.
#pragma once

#include <amnet/core/tensor.h>

#include <vector>

/// A tensor's elements as a vector, which Catch2 compares and prints.
template <class T>
std::vector<T> values_of(const amnet::Tensor& tensor) {
  return {tensor.data<T>().begin(), tensor.data<T>().end()};
}
