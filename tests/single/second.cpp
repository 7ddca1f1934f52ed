#include "amnet.h"
// Once more, as where another header includes it.
#include "amnet.h"

amnet::Tensor doubled(amnet::Cpu& cpu, const amnet::Tensor& values) {
  const amnet::Tensor sum(values.shape(), values.dtype());
  amnet::add_forward(cpu, std::vector<amnet::Tensor>{values, values}, sum);
  return sum;
}
