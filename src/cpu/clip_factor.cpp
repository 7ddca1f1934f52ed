#include <amnet/kernels/clip_factor.h>

#include <cmath>

namespace amnet {

void clip_factor(Cpu&, const Tensor& squares, double norm, const Tensor& factor) {
  const double length = std::sqrt(squares.data<double>()[0]);
  factor.data<double>()[0] = length > norm ? norm / length : 1;
}

}  // namespace amnet
