// One of two files of a program that includes the single header in both.
#include "amnet.h"

#include <cstdio>

amnet::Tensor doubled(amnet::Cpu& cpu, const amnet::Tensor& values);  // second.cpp

int main() {
  amnet::Cpu cpu(2);
  const amnet::Tensor values = amnet::Tensor::of<float>({3}, {1, -2, 3});
  const amnet::Tensor result = doubled(cpu, values);
  for (std::size_t i = 0; i < 3; ++i) {
    if (result.data<float>()[i] != 2 * values.data<float>()[i]) return 1;
  }
  std::printf("amnet %s, %s\n", amnet::build_info().version.c_str(), amnet::simd_level());
  return 0;
}
