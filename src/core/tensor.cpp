#include <amnet/core/tensor.h>

#include <algorithm>

namespace amnet {

Tensor Tensor::cast(DType dtype) const {
  Tensor result(shape_, dtype);
  with_float(dtype_, "cast", [&]<class From>() {
    with_float(dtype, "cast", [&]<class To>() {
      std::ranges::transform(data<From>(), result.data<To>().begin(), [](From value) { return static_cast<To>(value); });
    });
  });
  return result;
}

void Tensor::fill(double value) const {
  with_float(dtype_, "fill", [&]<class T>() { std::ranges::fill(data<T>(), static_cast<T>(value)); });
}

double Tensor::item() const {
  require(count() == 1, "[tensor] expected a tensor of one element but got {}.", shape_);
  double value = 0;
  const Tensor here = to(Memory::host);
  with_float(dtype_, "item", [&]<class T>() { value = static_cast<double>(here.data<T>()[0]); });
  return value;
}

}  // namespace amnet
