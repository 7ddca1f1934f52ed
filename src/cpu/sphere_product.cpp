#include <amnet/kernels/sphere_product.h>

#include <cmath>

#include "kernels/margin_arguments.h"
#include "kernels/sphere_angle.h"
#include "lanes.h"

namespace amnet {
namespace {

constexpr std::string_view who = "sphere_product";

}  // namespace

void sphere_margin_forward(Cpu& cpu, const SphereMargin& margin, const Tensor& x, const Tensor& labels, const Tensor& y,
                           const Tensor& targets) {
  check_sphere_margin(margin.multiplier, y, labels, y, targets);
  require(x.rank() == 2 && x.extent(0) == y.extent(0), "[sphere_product] expected an input (N,D) of {} rows but got {}.", y.extent(0),
          x.shape());
  with_float(x.dtype(), who, [&]<class T>() {
    const auto [rows, columns] = matrix_of(x);
    const std::int64_t classes = y.extent(1);
    const T* in = x.data<T>().data();
    const std::int64_t* labels_of = labels.data<std::int64_t>().data();
    T *out = y.data<T>().data(), *found = targets.data<T>().data();
    for_rows(cpu, rows, columns, [=, columns = columns](std::int64_t row) {
      const T* from = in + row * columns;
      const double squares =
          lane_sum<double>(columns, [=](std::int64_t i) { return static_cast<double>(from[i]) * static_cast<double>(from[i]); });
      const double norm = std::sqrt(squares + 1e-12);
      T& target = out[row * classes + labels_of[row]];
      const auto product = static_cast<double>(target);
      const double psi = SphereAngle<double>::of(margin.multiplier, product / norm).psi;
      target = static_cast<T>((norm * psi + margin.lambda * product) / (1 + margin.lambda));
      found[2 * row] = static_cast<T>(norm);
      found[2 * row + 1] = static_cast<T>(product / norm);
    });
  });
}

void sphere_margin_backward(Cpu& cpu, const SphereMargin& margin, const Tensor& targets, const Tensor& labels, const Tensor& dy,
                            const Tensor& scaled, const Tensor& along) {
  check_sphere_margin(margin.multiplier, dy, labels, scaled, targets);
  check_values(along, dy.extent(0), dy.dtype(), "coefficients", who);
  with_float(dy.dtype(), who, [&]<class T>() {
    const auto [rows, classes] = matrix_of(dy);
    const T *slopes = dy.data<T>().data(), *found = targets.data<T>().data();
    const std::int64_t* labels_of = labels.data<std::int64_t>().data();
    T *out = scaled.data<T>().data(), *of_x = along.data<T>().data();
    for_rows(cpu, rows, classes, [=, classes = classes](std::int64_t row) {
      const SphereSlopes<double> slope(margin.multiplier, margin.lambda, margin.reference, static_cast<double>(found[2 * row]),
                                       static_cast<double>(found[2 * row + 1]));
      std::copy_n(slopes + row * classes, classes, out + row * classes);
      T& target = out[row * classes + labels_of[row]];
      of_x[row] = static_cast<T>(static_cast<double>(target) * slope.of_x);
      target = static_cast<T>(static_cast<double>(target) * slope.of_product);
    });
  });
}

}  // namespace amnet
