#include "margin_arguments.h"

#include <amnet/kernels/labels.h>

namespace amnet {

void check_labelled(const Tensor& x, const Tensor& labels, const Tensor& other, std::string_view who, std::int64_t least) {
  require(x.rank() == 2 && x.extent(1) >= least, "[{}] expected logits (N,classes) of {} class(es) or more but got {}.", who, least,
          x.shape());
  require(other.shape() == x.shape() && other.dtype() == x.dtype(), "[{}] expected the other side as {} {} but got {} {}.", who,
          name_of(x.dtype()), x.shape(), name_of(other.dtype()), other.shape());
  check_labels(labels, x.extent(0), x.extent(1), who);
}

void check_values(const Tensor& tensor, std::int64_t count, DType dtype, std::string_view what, std::string_view who) {
  require(tensor.defined() && tensor.count() == count && tensor.dtype() == dtype, "[{}] expected {} {} of {} but got {}.", who, count, what,
          name_of(dtype), tensor.defined() ? fmt::format("{} {}", name_of(tensor.dtype()), tensor.shape()) : "none");
}

DistanceSizes distance_sizes(const Tensor& x, const Tensor& centres, const Tensor& labels, const Tensor& y) {
  require(x.rank() == 2 && centres.rank() == 2 && centres.extent(1) == x.extent(1) && centres.dtype() == x.dtype(),
          "[distance] expected x (N,I) and centres (O,I) with one I and one dtype but got {} {} and {} {}.", name_of(x.dtype()), x.shape(),
          name_of(centres.dtype()), centres.shape());
  const Shape wanted{x.extent(0), centres.extent(0)};
  require(y.shape() == wanted && y.dtype() == x.dtype(), "[distance] expected distances {} {} but got {} {}.", name_of(x.dtype()), wanted,
          name_of(y.dtype()), y.shape());
  if (labels.defined()) check_labels(labels, x.extent(0), centres.extent(0), "distance");
  return {x.extent(0), x.extent(1), centres.extent(0)};
}

ScaledParts scaled_parts(const Tensor& x, const Tensor& scales, const Tensor& other) {
  const std::int64_t number = scales.count();
  require(other.shape() == x.shape() && other.dtype() == x.dtype(), "[sample_scale] expected the other side as {} {} but got {} {}.",
          name_of(x.dtype()), x.shape(), name_of(other.dtype()), other.shape());
  require(number == 0 ? x.count() == 0 : x.count() % number == 0,
          "[sample_scale] expected one scale for each of equal parts of {} but got {} scales.", x.shape(), number);
  require(scales.dtype() == x.dtype() || scales.dtype() == exact_dtype(x.dtype()), "[sample_scale] expected scales of {} or {} but got {}.",
          name_of(x.dtype()), name_of(exact_dtype(x.dtype())), name_of(scales.dtype()));
  return {number, number == 0 ? 0 : x.count() / number};
}

void check_lse_margin(const Tensor& x, const Tensor& labels, const Tensor& norms, const Tensor& scale, const Tensor& applied,
                      const Tensor& other) {
  constexpr std::string_view who = "lse_margin";
  check_labelled(x, labels, other, who, 2);
  if (norms.defined()) check_values(norms, x.extent(0), x.dtype(), "norm(s)", who);
  check_values(scale, 1, x.dtype(), "scale", who);
  check_values(applied, 1, x.dtype(), "applied margin", who);
}

void check_sphere_margin(int multiplier, const Tensor& logits, const Tensor& labels, const Tensor& other, const Tensor& targets) {
  constexpr std::string_view who = "sphere_product";
  require(multiplier >= 1 && multiplier <= 4, "[sphere_product] expected a multiplier of 1, 2, 3 or 4 but got {}.", multiplier);
  check_labelled(logits, labels, other, who);
  check_values(targets, 2 * logits.extent(0), logits.dtype(), "norms and cosines", who);
}

}  // namespace amnet
