#include <amnet/kernels/finite.h>

#include <vector>

#include "lanes.h"

namespace amnet {

bool all_finite(Cpu& cpu, const Tensor& tensor) {
  bool finite = true;
  with_float(tensor.dtype(), "all_finite", [&]<class T>() {
    const T* values = tensor.data<T>().data();
    const std::int64_t pieces = pieces_of(tensor.count(), 1);
    std::vector<unsigned char> good(static_cast<std::size_t>(pieces));
    parallel_for(cpu, pieces, [&](std::int64_t piece, int) {
      const auto [begin, end] = piece_rows(tensor.count(), pieces, piece);
      // x - x is 0 for a finite x and NaN otherwise, and a NaN stays in the sum.
      const T zero = lane_sum<T>(end - begin, [&, begin = begin](std::int64_t i) { return values[begin + i] - values[begin + i]; });
      good[static_cast<std::size_t>(piece)] = zero == 0;
    });
    finite = std::ranges::all_of(good, [](unsigned char each) { return each != 0; });
  });
  return finite;
}

void raise_unless_finite(Cpu& cpu, const Tensor& tensor, const Tensor& flag) {
  if (!all_finite(cpu, tensor)) flag.data<std::uint8_t>()[0] = 1;
}

}  // namespace amnet
