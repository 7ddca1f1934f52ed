// Sums down the columns of a matrix (rows, channels), of up to a few quantities at once, while a pass over its elements does its other
// work: the gradients of slopes and biases, the statistics of a batch. Every thread sums its rows, a block its threads, and a second kernel
// the blocks, in double: an order that depends on the shape and the GPU alone.
//
// A Body says what is summed:
//
//   struct NegativeProducts {
//     static constexpr int quantities = 1;
//     AMNET_DEVICE void operator()(std::int64_t i, std::int64_t channel, float (&sums)[1]) const { sums[0] += ...; }
//   };
//   column_sums(cuda, NegativeProducts{...}, rows, channels, {{.out = dslope, .write = Write::assign}});
#pragma once

#include "scalar.h"

#include <array>

namespace amnet {

/// Where one quantity's sums go: `factor` times each channel's to out (channels), or the sum of all to out (1).
struct SumTarget {
  float* out = nullptr;  ///< nullptr: nobody wants them
  Write write = Write::assign;
  float factor = 1;
  bool in_all = false;
};

template <class Body>
struct ColumnSums {
  static constexpr int threads = 256;
  struct Shared {
    float sums[Body::quantities][threads];
  };
  Body body;
  std::int64_t rows, channels;
  float* partials;  // (blocks, quantities, channels)

  AMNET_DEVICE void operator()(const Thread& thread) const {
    Shared& shared = thread.shared<Shared>();
    const int across = channels < threads ? static_cast<int>(channels) : threads;
    const int down = threads / across;
    const int lane = thread.index() / across;
    for (std::int64_t base = 0; base < channels; base += across) {
      const std::int64_t channel = base + thread.index() % across;
      float sums[Body::quantities] = {};
      if (lane < down && channel < channels) {
        for (std::int64_t row = thread.block() * down + lane; row < rows; row += thread.blocks() * down) {
          body(row * channels + channel, channel, sums);
        }
      }
      for (int q = 0; q < Body::quantities; ++q) shared.sums[q][thread.index()] = sums[q];
      thread.barrier();
      if (lane == 0 && channel < channels) {
        for (int q = 0; q < Body::quantities; ++q) {
          float sum = 0;
          for (int other = 0; other < down; ++other) sum += shared.sums[q][other * across + thread.index()];
          partials[(thread.block() * Body::quantities + q) * channels + channel] = sum;
        }
      }
      // No barrier: where there is another round, a thread has a column of its own and reads nobody else's sums.
    }
  }
};

/// One block for each quantity whose sums go to one place, one thread for each channel of the others.
template <int quantities>
struct FinishSums {
  static constexpr int threads = 256;
  struct Shared {
    double sums[threads / warp_size];
  };
  SumTarget targets[quantities];
  const float* partials;  // (blocks, quantities, channels)
  std::int64_t blocks, channels, blocks_per_quantity;

  AMNET_DEVICE void operator()(const Thread& thread) const {
    const auto q = static_cast<int>(thread.block() / blocks_per_quantity);
    const SumTarget& target = targets[q];
    if (target.out == nullptr) return;
    const std::int64_t first = (thread.block() % blocks_per_quantity) * threads + thread.index();
    const std::int64_t step = target.in_all ? threads : channels;
    double sum = 0;
    for (std::int64_t channel = first; channel < channels; channel += step) {
      for (std::int64_t block = 0; block < blocks; ++block)
        sum += static_cast<double>(partials[(block * quantities + q) * channels + channel]);
    }
    if (target.in_all) {
      if (thread.block() % blocks_per_quantity != 0) return;
      sum = block_sum(thread, sum, thread.shared<Shared>().sums);
      if (thread.index() == 0) put(*target.out, static_cast<float>(sum * target.factor), target.write);
    } else if (first < channels) {
      put(target.out[first], static_cast<float>(sum * target.factor), target.write);
    }
  }
};

/// At least one block, so that sums over no rows are zero.
inline std::int64_t column_sums_blocks(Cuda& cuda, std::int64_t rows, std::int64_t channels, int threads) {
  const std::int64_t down = std::max<std::int64_t>(1, threads / std::max<std::int64_t>(1, channels));
  return std::clamp<std::int64_t>((rows + down * 4 - 1) / (down * 4), 1, std::int64_t{cuda.state().multiprocessors} * 8);
}
/// The floats that column_sums takes of the scratch memory.
template <class Body>
std::int64_t column_sums_room(Cuda& cuda, std::int64_t rows, std::int64_t channels) {
  return column_sums_blocks(cuda, rows, channels, ColumnSums<Body>::threads) * Body::quantities * channels;
}

/// `room`: where a caller keeps something in the scratch memory itself, column_sums_room floats behind it.
template <class Body>
void column_sums(Cuda& cuda, const Body& body, std::int64_t rows, std::int64_t channels, const SumTarget (&targets)[Body::quantities],
                 float* room = nullptr, std::source_location where = std::source_location::current()) {
  constexpr int threads = ColumnSums<Body>::threads;
  const std::int64_t blocks = column_sums_blocks(cuda, rows, channels, threads);
  float* partials = room != nullptr ? room : cuda.state().scratch_of<float>(column_sums_room<Body>(cuda, rows, channels));
  launch(cuda, blocks, ColumnSums<Body>{body, rows, channels, partials}, where);
  FinishSums<Body::quantities> finish{.targets = {},
                                      .partials = partials,
                                      .blocks = blocks,
                                      .channels = channels,
                                      .blocks_per_quantity = (channels + threads - 1) / threads};
  std::copy_n(targets, Body::quantities, finish.targets);
  launch(cuda, finish.blocks_per_quantity * Body::quantities, finish, where);
}

/// The target of a gradient (channels) or (1), with `factor`.
inline SumTarget sums_to(const Gradient& gradient, std::int64_t channels, std::string_view who) {
  if (!gradient) return {};
  return {.out = elements<float>(gradient.tensor, who), .write = gradient.write, .in_all = gradient.tensor.count() == 1 && channels != 1};
}

}  // namespace amnet
