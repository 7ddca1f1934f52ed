#include <amnet/kernels/sum_of_squares.h>

#include "elementwise.h"

namespace amnet {
namespace {

constexpr std::string_view who = "sum_of_squares";

/// Each block's part of the sum.
template <class T>
struct SquaresOfBlock {
  static constexpr int threads = 256;
  struct Shared {
    double sums[threads / warp_size];
  };
  const T* values;
  std::int64_t count;
  bool packed;
  double* of_blocks;  // (blocks)

  AMNET_DEVICE void operator()(const Thread& thread) const {
    constexpr int width = Pack<T>::size;
    const std::int64_t packs = packed ? count / width : 0;
    double sum = 0;
    const auto add = [&sum](T value) {
      const auto x = static_cast<double>(to_float(value));
      sum += x * x;
    };
    for (std::int64_t p = thread.first(); p < packs; p += thread.step()) {
      const Pack<T> pack = load_pack(values + p * width);
      for (int e = 0; e < width; ++e) add(pack.elements[e]);
    }
    for (std::int64_t i = packs * width + thread.first(); i < count; i += thread.step()) add(values[i]);
    sum = block_sum(thread, sum, thread.shared<Shared>().sums);
    if (thread.index() == 0) of_blocks[thread.block()] = sum;
  }
};

/// One block: adds up the sums of all blocks.
struct SumOfBlocks {
  static constexpr int threads = 256;
  struct Shared {
    double sums[threads / warp_size];
  };
  const double* of_blocks;  // (blocks)
  double* total;            // (1)
  std::int64_t blocks;

  AMNET_DEVICE void operator()(const Thread& thread) const {
    double sum = 0;
    for (std::int64_t b = thread.index(); b < blocks; b += threads) sum += of_blocks[b];
    sum = block_sum(thread, sum, thread.shared<Shared>().sums);
    if (thread.index() == 0) *total = sum;
  }
};

}  // namespace

void sum_of_squares(Cuda& cuda, const Tensor& x, const Tensor& sum) {
  with_activation(x.dtype(), who, [&]<class T>() {
    const std::int64_t packs = (x.count() + Pack<T>::size - 1) / Pack<T>::size;
    const std::int64_t blocks = blocks_for(cuda, packs, SquaresOfBlock<T>::threads);
    auto* of_blocks = cuda.state().scratch_of<double>(blocks);
    launch(cuda, blocks,
           SquaresOfBlock<T>{.values = elements<const T>(x, who), .count = x.count(), .packed = starts_a_pack(x), .of_blocks = of_blocks});
    launch(cuda, 1, SumOfBlocks{.of_blocks = of_blocks, .total = elements<double>(sum, who), .blocks = blocks});
  });
}

}  // namespace amnet
