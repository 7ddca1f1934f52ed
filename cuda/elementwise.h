// y(i) = f(x_0(i), x_1(i), ..., the channel of i), for tensors of one shape (..., C): the form of
// every kernel that processes one element at a time. It reads and writes each element once, 16
// bytes per thread and step where the tensors allow it.
//
//   struct Rectify {
//     AMNET_DEVICE float operator()(const float (&x)[1], std::int64_t) const { return x[0] > 0 ? x[0] : 0; }
//   };
//   map_elements<float>(cuda, Rectify{}, {x}, y, Write::assign);
#pragma once

#include "scalar.h"

namespace amnet {

template <class T, int inputs, class F>
struct MapElements {
  static constexpr int threads = 256;
  F f;
  const T* xs[inputs];
  T* y;
  std::int64_t count, channels;
  Write write;
  bool packed;  // all begin at 16 bytes; a row is whole packs, or there is only one row

  AMNET_DEVICE void operator()(const Thread& thread) const {
    constexpr int width = Pack<T>::size;
    const std::int64_t packs = packed ? count / width : 0;
    for (std::int64_t p = thread.first(); p < packs; p += thread.step()) {
      const std::int64_t begin = p * width;
      const std::int64_t channel = begin % channels;
      Pack<T> in[inputs], out{};
      for (int k = 0; k < inputs; ++k) in[k] = load_pack(xs[k] + begin);
      if (write == Write::add) out = load_pack(y + begin);
      for (int e = 0; e < width; ++e) {
        float values[inputs];
        for (int k = 0; k < inputs; ++k) values[k] = to_float(in[k].elements[e]);
        put(out.elements[e], f(values, channel + e), write);
      }
      store_pack(y + begin, out);
    }
    for (std::int64_t i = packs * width + thread.first(); i < count; i += thread.step()) {
      float values[inputs];
      for (int k = 0; k < inputs; ++k) values[k] = to_float(xs[k][i]);
      put(y[i], f(values, i % channels), write);
    }
  }
};

inline bool starts_a_pack(const Tensor& tensor, int bytes = 16) { return starts_a_pack(tensor.raw(), bytes); }
/// Calls body.operator()<width>() with a full pack's width, or with 1.
template <class T, class Body>
void with_width(bool packed, Body&& body) {
  if (packed) {
    body.template operator()<Pack<T>::size>();
  } else {
    body.template operator()<1>();
  }
}

/// C, for a tensor (..., C).
inline std::int64_t channels_of(const Tensor& x) { return x.rank() == 0 ? 1 : x.extent(x.rank() - 1); }
/// The tensor as one row: for functions that do not use the channel; packs then work for any shape.
inline Tensor flat(const Tensor& x) { return x.reshaped({x.count()}); }

template <class T, class F, int inputs>
void map_elements(Cuda& cuda, const F& f, const Tensor (&xs)[inputs], const Tensor& y, Write write, std::string_view who,
                  std::source_location where = std::source_location::current()) {
  MapElements<T, inputs, F> kernel{.f = f,
                                   .xs = {},
                                   .y = elements<T>(y, who),
                                   .count = y.count(),
                                   .channels = std::max<std::int64_t>(1, channels_of(y)),
                                   .write = write,
                                   .packed = starts_a_pack(y) && (channels_of(y) % Pack<T>::size == 0 || channels_of(y) == y.count())};
  for (int k = 0; k < inputs; ++k) {
    require(xs[k].count() == y.count(), "[{}] expected an input of {} elements, as the output {}, but got {}.", who, y.count(), y.shape(),
            xs[k].shape());
    kernel.xs[k] = elements<const T>(xs[k], who);
    kernel.packed = kernel.packed && starts_a_pack(xs[k]);
  }
  const std::int64_t items = kernel.packed ? (kernel.count + Pack<T>::size - 1) / Pack<T>::size : kernel.count;
  launch(cuda, blocks_for(cuda, items, kernel.threads), kernel, where);
}

/// y = x.
struct Same {
  AMNET_DEVICE float operator()(const float (&x)[1], std::int64_t) const { return x[0]; }
};

}  // namespace amnet
