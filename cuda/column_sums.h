// Sums down the columns of a matrix (rows, channels), of one or a few quantities at once, in the
// same pass that does other work on the elements: the gradients of slopes and biases, the
// statistics of a batch. Every thread sums its rows of a few neighbouring columns, a block sums
// over its threads, and a second kernel sums over the blocks, in double. The order depends only on
// the shape and the GPU.
//
// A Body defines what is summed, for `width` elements starting at i, of the channels starting at
// `channel`:
//
//   struct Squares {
//     static constexpr int quantities = 1;
//     const float* x;
//     template <int width>
//     AMNET_DEVICE void operator()(std::int64_t i, std::int64_t channel, float (&sums)[1][width]) const {
//       const auto values = load_pack<width>(x + i);
//       for (int e = 0; e < width; ++e) sums[0][e] += values.elements[e] * values.elements[e];
//     }
//   };
//   column_sums<float>(cuda, Squares{x}, rows, channels, starts_a_pack(x), {{.out = sums, .write = Write::assign}});
#pragma once

#include "elementwise.h"

#include <array>

namespace amnet {

/// Where the sums of one quantity go: `factor` times each channel's sum to out (channels), or the
/// sum over all channels to out (1).
struct SumTarget {
  float* out = nullptr;  ///< nullptr: not needed
  Write write = Write::assign;
  float factor = 1;
  bool in_all = false;
};

template <class Body, int width>
struct ColumnSums {
  static constexpr int threads = 256;
  struct Shared {
    float sums[Body::quantities][width][threads];
  };
  Body body;
  std::int64_t rows, channels;  // channels: a multiple of `width`
  float* partials;              // (blocks, quantities, channels)

  AMNET_DEVICE void operator()(const Thread& thread) const {
    Shared& shared = thread.shared<Shared>();
    const std::int64_t packs = channels / width;
    const int across = packs < threads ? static_cast<int>(packs) : threads;
    const int down = threads / across;
    const int lane = thread.index() / across;
    for (std::int64_t base = 0; base < packs; base += across) {
      const std::int64_t channel = (base + thread.index() % across) * width;
      float sums[Body::quantities][width] = {};
      if (lane < down && channel < channels) {
        for (std::int64_t row = thread.block() * down + lane; row < rows; row += thread.blocks() * down) {
          body.template operator()<width>(row * channels + channel, channel, sums);
        }
      }
      for (int q = 0; q < Body::quantities; ++q) {
        for (int e = 0; e < width; ++e) shared.sums[q][e][thread.index()] = sums[q][e];
      }
      thread.barrier();
      // All threads take part in adding up; each adds one column of one quantity. Where this needs
      // more than one round, `across` equals `threads`, so that each thread adds up only what it
      // wrote itself and can start the next round without a barrier.
      for (int at = thread.index(); at < Body::quantities * width * across; at += threads) {
        const int q = at / (width * across), e = at / across % width, pack = at % across;
        if (base + pack >= packs) continue;
        float sum = 0;
        for (int other = 0; other < down; ++other) sum += shared.sums[q][e][other * across + pack];
        partials[(thread.block() * Body::quantities + q) * channels + (base + pack) * width + e] = sum;
      }
    }
  }
};

/// One block for each warp_size channels: its warps divide the partial sums among themselves. For a
/// quantity whose channels are summed to one value, the first block takes all channels.
template <int quantities>
struct FinishSums {
  static constexpr int threads = 256, warps = threads / warp_size;
  struct Shared {
    double sums[warps][warp_size];
  };
  SumTarget targets[quantities];
  const float* partials;  // (blocks, quantities, channels)
  std::int64_t blocks, channels, blocks_per_quantity;

  AMNET_DEVICE void operator()(const Thread& thread) const {
    const auto q = static_cast<int>(thread.block() / blocks_per_quantity);
    const std::int64_t own = thread.block() % blocks_per_quantity;
    const SumTarget& target = targets[q];
    if (target.out == nullptr || (target.in_all && own != 0)) return;
    const int lane = thread.index() % warp_size, warp = thread.index() / warp_size;
    const std::int64_t first = own * warp_size + lane, step = target.in_all ? warp_size : channels;
    double sum = 0;
    for (std::int64_t channel = first; channel < channels; channel += step) {
      for (std::int64_t block = warp; block < blocks; block += warps) {
        sum += static_cast<double>(partials[(block * quantities + q) * channels + channel]);
      }
    }
    Shared& shared = thread.shared<Shared>();
    shared.sums[warp][lane] = sum;
    thread.barrier();
    if (warp != 0) return;
    for (int other = 1; other < warps; ++other) sum += shared.sums[other][lane];
    if (target.in_all) {
      sum = warp_sum(thread, sum);
      if (lane == 0) put(*target.out, static_cast<float>(sum * target.factor), target.write);
    } else if (first < channels) {
      put(target.out[first], static_cast<float>(sum * target.factor), target.write);
    }
  }
};

/// At least one block, so that sums over no rows are zero.
inline std::int64_t column_sums_blocks(Cuda& cuda, std::int64_t rows, std::int64_t packs, int threads) {
  const std::int64_t down = std::max<std::int64_t>(1, threads / std::max<std::int64_t>(1, packs));
  return std::clamp<std::int64_t>((rows + down * 4 - 1) / (down * 4), 1, std::int64_t{cuda.state().multiprocessors} * 4);
}
/// The number of floats of scratch memory that column_sums uses: with packs it has fewer blocks.
template <class Body>
std::int64_t column_sums_room(Cuda& cuda, std::int64_t rows, std::int64_t channels) {
  return column_sums_blocks(cuda, rows, channels, ColumnSums<Body, 1>::threads) * Body::quantities * channels;
}

/// `packed`: what the body reads and writes, of type T, begins at a multiple of 16 bytes. `room`:
/// the scratch memory, where a caller keeps data of its own there: column_sums_room floats after
/// that data. Does nothing where there are no channels.
template <class T, class Body>
void column_sums(Cuda& cuda, const Body& body, std::int64_t rows, std::int64_t channels, bool packed,
                 const SumTarget (&targets)[Body::quantities], float* room = nullptr,
                 std::source_location where = std::source_location::current()) {
  if (channels == 0) return;
  float* const partials = room != nullptr ? room : cuda.state().scratch_of<float>(column_sums_room<Body>(cuda, rows, channels));
  std::int64_t blocks = 0;
  with_width<T>(packed && channels % Pack<T>::size == 0, [&]<int width>() {
    blocks = column_sums_blocks(cuda, rows, channels / width, ColumnSums<Body, width>::threads);
    launch(cuda, blocks, ColumnSums<Body, width>{body, rows, channels, partials}, where);
  });
  FinishSums<Body::quantities> finish{.targets = {},
                                      .partials = partials,
                                      .blocks = blocks,
                                      .channels = channels,
                                      .blocks_per_quantity = (channels + warp_size - 1) / warp_size};
  std::copy_n(targets, Body::quantities, finish.targets);
  launch(cuda, finish.blocks_per_quantity * Body::quantities, finish, where);
}

/// The rows of a tensor (..., C); none where there are no channels.
inline std::int64_t column_rows(const Tensor& x) { return x.count() / std::max<std::int64_t>(1, channels_of(x)); }

/// The target of a gradient (channels) or (1), with `factor`.
inline SumTarget sums_to(const Gradient& gradient, std::int64_t channels, std::string_view who) {
  if (!gradient) return {};
  return {.out = elements<float>(gradient.tensor, who), .write = gradient.write, .in_all = gradient.tensor.count() == 1 && channels != 1};
}

}  // namespace amnet
