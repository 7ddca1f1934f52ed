// The parts of a convolution that cuDNN does not do: its epilogue where no graph includes it, the
// derivative of the PReLU after it, and copies between tensors of different channels and types.
#pragma once

#include "column_sums.h"

namespace amnet {

/// The slopes of a PReLU, by channel; `step` is 0 for one slope shared by all channels. Without
/// values it is the identity.
struct ChannelSlopes {
  const float* values = nullptr;
  std::int64_t step = 0;
  AMNET_DEVICE float bend(float value, float sum, std::int64_t channel) const {
    return values == nullptr || sum > 0 ? value : values[channel * step] * value;
  }
};

/// y = residual + prelu(z + bias) and sums = z + bias; z may be the same memory as either of them.
template <class T>
struct FinishForward {
  static constexpr int threads = 256;
  const T* z;
  const float* bias;  // each of these may be nullptr
  ChannelSlopes slopes;
  const T* residual;
  T *sums, *y;
  std::int64_t count, channels;
  bool packed;  // all begin at a multiple of 16 bytes, and a row is a whole number of packs

  AMNET_DEVICE float sum_at(T value, std::int64_t channel) const { return to_float(value) + (bias == nullptr ? 0.F : bias[channel]); }

  AMNET_DEVICE void operator()(const Thread& thread) const {
    constexpr int width = Pack<T>::size;
    const std::int64_t packs = packed ? count / width : 0;
    for (std::int64_t p = thread.first(); p < packs; p += thread.step()) {
      const std::int64_t begin = p * width;
      const std::int64_t channel = begin % channels;
      const Pack<T> in = load_pack(z + begin);
      Pack<T> added{}, kept, out;
      if (residual != nullptr) added = load_pack(residual + begin);
      for (int e = 0; e < width; ++e) {
        const float sum = sum_at(in.elements[e], channel + e);
        kept.elements[e] = from_float<T>(sum);
        out.elements[e] = from_float<T>(to_float(added.elements[e]) + slopes.bend(sum, sum, channel + e));
      }
      if (sums != nullptr) store_pack(sums + begin, kept);
      store_pack(y + begin, out);
    }
    for (std::int64_t i = packs * width + thread.first(); i < count; i += thread.step()) {
      const std::int64_t channel = i % channels;
      const float sum = sum_at(z[i], channel);
      if (sums != nullptr) sums[i] = from_float<T>(sum);
      y[i] = from_float<T>((residual == nullptr ? 0.F : to_float(residual[i])) + slopes.bend(sum, sum, channel));
    }
  }
};

/// dz = dy * prelu'(sums); and the sums of dy * sums where sums <= 0 (the gradient of the slope)
/// and of dz (the gradient of the bias). Without sums dz is dy.
template <class T>
struct ActivationGradient {
  static constexpr int quantities = 2;
  ChannelSlopes slopes;
  const T *sums, *dy;
  T* dz;

  template <int width>
  AMNET_DEVICE void operator()(std::int64_t i, std::int64_t channel, float (&into)[2][width]) const {
    const Pack<T, width> gradients = load_pack<width>(dy + i);
    if (sums == nullptr) {
      for (int e = 0; e < width; ++e) into[1][e] += to_float(gradients.elements[e]);
      return;
    }
    const Pack<T, width> kept = load_pack<width>(sums + i);
    Pack<T, width> out;
    for (int e = 0; e < width; ++e) {
      const float sum = to_float(kept.elements[e]), gradient = to_float(gradients.elements[e]);
      const float through = slopes.bend(gradient, sum, channel + e);
      out.elements[e] = from_float<T>(through);
      if (!(sum > 0)) into[0][e] += gradient * sum;
      into[1][e] += through;
    }
    store_pack(dz + i, out);
  }
};

/// to (rows, to_channels) from (rows, from_channels): the channels that both have, and zeros in
/// those that only `to` has.
template <class From, class To>
struct CopyChannels {
  static constexpr int threads = 256;
  const From* from;
  std::int64_t from_channels;
  To* to;
  std::int64_t rows, to_channels;
  Write write;
  bool packed;  // `to` begins at a multiple of 16 bytes, and its rows are whole packs

  AMNET_DEVICE float at(std::int64_t row, std::int64_t channel) const {
    return channel < from_channels ? to_float(from[row * from_channels + channel]) : 0.F;
  }
  AMNET_DEVICE void operator()(const Thread& thread) const {
    constexpr int width = Pack<To>::size;
    const std::int64_t count = rows * to_channels;
    const std::int64_t packs = packed ? count / width : 0, packs_of_row = to_channels / width;
    for (std::int64_t p = thread.first(); p < packs; p += thread.step()) {
      const std::int64_t row = p / packs_of_row;
      const std::int64_t channel = (p - row * packs_of_row) * width;
      Pack<To> out{};
      if (write == Write::add) out = load_pack(to + p * width);
      for (int e = 0; e < width; ++e) put(out.elements[e], at(row, channel + e), write);
      store_pack(to + p * width, out);
    }
    for (std::int64_t i = packs * width + thread.first(); i < count; i += thread.step())
      put(to[i], at(i / to_channels, i % to_channels), write);
  }
};

template <class From, class To>
void copy_channels(Cuda& cuda, const From* from, std::int64_t from_channels, To* to, std::int64_t rows, std::int64_t to_channels,
                   Write write) {
  // Whole tensors are one row.
  if (from_channels == to_channels) from_channels = to_channels = rows * to_channels, rows = 1;
  const bool packed = starts_a_pack(to) && to_channels % Pack<To>::size == 0;
  const std::int64_t items = rows * to_channels / (packed ? Pack<To>::size : 1);
  const CopyChannels<From, To> kernel{from, from_channels, to, rows, to_channels, write, packed};
  launch(cuda, blocks_for(cuda, items, kernel.threads), kernel);
}

}  // namespace amnet
