// Which arithmetic a layer has where the reference code (Caffe's fork happynear/caffe-windows)
// differs from the true formula, and its CPU code from its GPU code. Each layer says what differs.
//
//   Arithmetic arithmetic = Arithmetic::exact;
//   if (trained_by_caffe) arithmetic = Arithmetic::reference_gpu;
#pragma once

#include <amnet/core/named.h>

namespace amnet {

enum class Arithmetic : unsigned char {
  exact,          ///< the formula with its true gradient
  reference_cpu,  ///< that of the reference code's .cpp file
  reference_gpu   ///< that of its .cu file
};
constexpr std::array<std::string_view, 3> names_of(Arithmetic) { return {"exact", "reference_cpu", "reference_gpu"}; }

}  // namespace amnet
