// Values for nets under test: a function of the seed and the position.
#pragma once

#include <amnet/core/random.h>
#include <amnet/core/tensor.h>

#include <cstdint>

namespace amnet {

inline void fill_random(const Tensor& tensor, std::uint64_t seed) {
  const Random random(seed, stream_of("net test"));
  with_float(tensor.dtype(), "test", [&]<class T>() {
    std::uint64_t i = 0;
    for (T& value : tensor.data<T>()) value = static_cast<T>(random.normal(i++));
  });
}

}  // namespace amnet
