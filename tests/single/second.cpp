#include "amnet.h"
// Included a second time, as by another header.
#include "amnet.h"

amnet::Tensor doubled(amnet::Cpu& cpu, const amnet::Tensor& values) {
  const amnet::Tensor sum(values.shape(), values.dtype());
  amnet::add_forward(cpu, std::vector<amnet::Tensor>{values, values}, sum);
  return sum;
}
