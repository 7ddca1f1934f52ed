#include <amnet/kernels/normalize.h>

#include <cmath>

#include "kernels/arguments.h"
#include "lanes.h"

namespace amnet {
void normalize_forward(Cpu& cpu, const Tensor& x, double epsilon, const Tensor& y, const Tensor& norm) {
  check_normalize(x, y, norm);
  with_float(x.dtype(), "normalize", [&]<class T>() {
    const auto [rows, columns] = matrix_of(x);
    const T* in = x.data<T>().data();
    T* out = y.data<T>().data();
    T* norms = norm.data<T>().data();
    for_rows(cpu, rows, columns, [&, columns = columns](std::int64_t row) {
      const T* from = in + row * columns;
      T* to = out + row * columns;
      const T squares = lane_sum<T>(columns, [&](std::int64_t i) { return from[i] * from[i]; });
      const T length = std::sqrt(squares + static_cast<T>(epsilon));
      norms[row] = length;
      const T inverse = 1 / length;
      for (std::int64_t i = 0; i < columns; ++i) to[i] = from[i] * inverse;
    });
  });
}

void normalize_backward(Cpu& cpu, const Tensor& y, const Tensor& norm, const Tensor& dy, const Tensor& dnorm, const Gradient& dx) {
  if (!dx) return;
  check_normalize(y, dx.tensor, norm);
  with_float(y.dtype(), "normalize", [&]<class T>() {
    const auto [rows, columns] = matrix_of(y);
    const T* out = y.data<T>().data();
    const T* norms = norm.data<T>().data();
    const T* dout = dy.defined() ? dy.data<T>().data() : nullptr;
    const T* dnorms = dnorm.defined() ? dnorm.data<T>().data() : nullptr;
    T* din = dx.tensor.data<T>().data();
    for_rows(cpu, rows, columns, [&, columns = columns](std::int64_t row) {
      const T* unit = out + row * columns;
      T* to = din + row * columns;
      const T radial = dnorms != nullptr ? dnorms[row] : T{0};
      if (dout == nullptr) {
        for (std::int64_t i = 0; i < columns; ++i) put(to[i], radial * unit[i], dx.write);
        return;
      }
      const T* slope = dout + row * columns;
      const T inverse = 1 / norms[row];
      const T along = lane_sum<T>(columns, [&](std::int64_t i) { return unit[i] * slope[i]; });
      const T kept = radial - along * inverse;  // what is added along y
      for (std::int64_t i = 0; i < columns; ++i) put(to[i], slope[i] * inverse + kept * unit[i], dx.write);
    });
  });
}

}  // namespace amnet
