#include <amnet/kernels/normalize.h>

#include <cmath>

#include "kernels/arguments.h"
#include "lanes.h"

namespace amnet {
namespace {

struct L2 {
  template <class T>
  static T norm(const T* x, std::int64_t count, T epsilon) {
    return std::sqrt(lane_sum<T>(count, [x](std::int64_t i) { return x[i] * x[i]; }) + epsilon);
  }
  /// dnorm/dx.
  template <class T>
  static T slope(T unit) {
    return unit;
  }
};

struct L1 {
  template <class T>
  static T norm(const T* x, std::int64_t count, T epsilon) {
    return lane_sum<T>(count, [x](std::int64_t i) { return std::abs(x[i]); }) + epsilon;
  }
  template <class T>
  static T slope(T unit) {
    return static_cast<T>((unit > 0) - (unit < 0));
  }
};

template <class Norm>
void forward(Cpu& cpu, const Tensor& x, double epsilon, const Tensor& y, const Tensor& norm) {
  check_normalize(x, y, norm);
  with_float(x.dtype(), "normalize", [&]<class T>() {
    const auto [rows, columns] = matrix_of(x);
    const T* in = x.data<T>().data();
    T* out = y.data<T>().data();
    T* norms = norm.data<T>().data();
    for_rows(cpu, rows, columns, [&, columns = columns](std::int64_t row) {
      const T* from = in + row * columns;
      T* to = out + row * columns;
      const T length = Norm::norm(from, columns, static_cast<T>(epsilon));
      norms[row] = length;
      const T inverse = 1 / length;
      for (std::int64_t i = 0; i < columns; ++i) to[i] = from[i] * inverse;
    });
  });
}

template <class Norm>
void backward(Cpu& cpu, const Tensor& y, const Tensor& norm, const Tensor& dy, const Tensor& dnorm, const Gradient& dx, bool undivided) {
  if (!dx) return;
  check_normalize(y, dx.tensor, norm);
  with_float(y.dtype(), "normalize", [&]<class T>() {
    const auto [rows, columns] = matrix_of(y);
    const T* out = y.data<T>().data();
    const T* norms = norm.data<T>().data();
    const T* dout = elements_or_null<const T>(dy);
    const T* dnorms = elements_or_null<const T>(dnorm);
    T* din = dx.tensor.data<T>().data();
    for_rows(cpu, rows, columns, [&, columns = columns](std::int64_t row) {
      const T* unit = out + row * columns;
      T* to = din + row * columns;
      const T radial = dnorms != nullptr ? dnorms[row] : T{0};
      if (dout == nullptr) {
        for (std::int64_t i = 0; i < columns; ++i) put(to[i], radial * Norm::slope(unit[i]), dx.write);
        return;
      }
      const T* slope = dout + row * columns;
      const T inverse = undivided ? T{1} : 1 / norms[row];
      const T along = lane_sum<T>(columns, [&](std::int64_t i) { return unit[i] * slope[i]; });
      const T kept = radial - along * inverse;  // what is added along dnorm/dx
      for (std::int64_t i = 0; i < columns; ++i) put(to[i], slope[i] * inverse + kept * Norm::slope(unit[i]), dx.write);
    });
  });
}

}  // namespace

void normalize_forward(Cpu& cpu, const Tensor& x, double epsilon, const Tensor& y, const Tensor& norm) {
  forward<L2>(cpu, x, epsilon, y, norm);
}

void normalize_backward(Cpu& cpu, const Tensor& y, const Tensor& norm, const Tensor& dy, const Tensor& dnorm, const Gradient& dx,
                        bool undivided) {
  backward<L2>(cpu, y, norm, dy, dnorm, dx, undivided);
}

void l1_normalize_forward(Cpu& cpu, const Tensor& x, double epsilon, const Tensor& y, const Tensor& norm) {
  forward<L1>(cpu, x, epsilon, y, norm);
}

void l1_normalize_backward(Cpu& cpu, const Tensor& y, const Tensor& norm, const Tensor& dy, const Tensor& dnorm, const Gradient& dx,
                           bool undivided) {
  backward<L1>(cpu, y, norm, dy, dnorm, dx, undivided);
}

}  // namespace amnet
