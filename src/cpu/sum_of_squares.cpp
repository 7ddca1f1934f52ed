#include <amnet/kernels/sum_of_squares.h>

#include <numeric>
#include <vector>

#include "lanes.h"

namespace amnet {

void sum_of_squares(Cpu& cpu, const Tensor& x, const Tensor& sum) {
  with_float(x.dtype(), "sum_of_squares", [&]<class T>() {
    const T* values = x.data<T>().data();
    const std::int64_t pieces = pieces_of(x.count(), 1);
    std::vector<double> squares(static_cast<std::size_t>(pieces));
    parallel_for(cpu, pieces, [&](std::int64_t piece, int) {
      const auto [begin, end] = piece_rows(x.count(), pieces, piece);
      squares[static_cast<std::size_t>(piece)] = lane_sum<double>(end - begin, [&, begin = begin](std::int64_t i) {
        const auto value = static_cast<double>(values[begin + i]);
        return value * value;
      });
    });
    sum.data<double>()[0] = std::accumulate(squares.begin(), squares.end(), 0.0);
  });
}

}  // namespace amnet
