#include <amnet/kernels/pool.h>

#include <limits>

#include "elementwise.h"
#include "kernels/pool_windows.h"

namespace amnet {
namespace {

constexpr std::string_view who = "pool";
constexpr float minus_infinity = -std::numeric_limits<float>::infinity();

/// The coordinates of pack p in a tensor (N,rows,columns,C); `channel` is the first channel of the
/// pack.
struct Place {
  std::int64_t sample, row, column, channel;
};
AMNET_DEVICE Place place_of(std::int64_t p, std::int64_t rows, std::int64_t columns, std::int64_t channels, int width) {
  const std::int64_t packs_per_pixel = channels / width;
  const std::int64_t pixel = p / packs_per_pixel;
  const std::int64_t line = pixel / columns;
  return {line / rows, line % rows, pixel % columns, p % packs_per_pixel * width};
}

AMNET_DEVICE float share_of(const PoolGeometry& g, std::int64_t row, std::int64_t column) {
  return 1 / static_cast<float>(g.rows.padded_length(row) * g.columns.padded_length(column));
}

/// A thread goes through the windows of one pack of y.
template <class T, int width, PoolKind kind>
struct PoolForward {
  static constexpr int threads = 256;
  PoolGeometry g;
  const T* x;
  T* y;
  std::int64_t* indices;  // for maximum pooling
  std::int64_t packs;

  AMNET_DEVICE void operator()(const Thread& thread) const {
    for (std::int64_t p = thread.first(); p < packs; p += thread.step()) {
      const Place at = place_of(p, g.rows.pooled, g.columns.pooled, g.channels, width);
      const PoolRange high = g.rows.window(at.row), wide = g.columns.window(at.column);
      const T* image = x + at.sample * g.rows.extent * g.columns.extent * g.channels + at.channel;
      float values[width];
      Pack<std::int64_t, width> winners;
      for (int e = 0; e < width; ++e) {
        values[e] = kind == PoolKind::max ? minus_infinity : 0;
        winners.elements[e] = high.begin * g.columns.extent + wide.begin;
      }
      for (std::int64_t h = high.begin; h < high.end; ++h) {
        for (std::int64_t w = wide.begin; w < wide.end; ++w) {
          const std::int64_t pixel = h * g.columns.extent + w;
          const Pack<T, width> pack = load_pack<width>(image + pixel * g.channels);
          for (int e = 0; e < width; ++e) {
            const float value = to_float(pack.elements[e]);
            if constexpr (kind == PoolKind::average) {
              values[e] += value;
            } else if (value > values[e] || value != value) {  // a NaN wins, so that it is noticed
              values[e] = value;
              winners.elements[e] = pixel;
            }
          }
        }
      }
      const float factor = kind == PoolKind::average ? share_of(g, at.row, at.column) : 1;
      Pack<T, width> out;
      for (int e = 0; e < width; ++e) out.elements[e] = from_float<T>(values[e] * factor);
      store_pack(y + p * width, out);
      if constexpr (kind == PoolKind::max) store_pack(indices + p * width, winners);
    }
  }
};

/// A thread gathers for one pack of dx, from the windows that include it, in their order: no two
/// threads write to the same place.
template <class T, int width, PoolKind kind>
struct PoolBackward {
  static constexpr int threads = 256;
  PoolGeometry g;
  const T* dy;
  const std::int64_t* indices;  // for maximum pooling
  T* dx;
  std::int64_t packs;
  Write write;

  AMNET_DEVICE void operator()(const Thread& thread) const {
    for (std::int64_t p = thread.first(); p < packs; p += thread.step()) {
      const Place at = place_of(p, g.rows.extent, g.columns.extent, g.channels, width);
      const PoolRange high = g.rows.windows_over(at.row), wide = g.columns.windows_over(at.column);
      float sums[width] = {};
      for (std::int64_t h = high.begin; h < high.end; ++h) {
        for (std::int64_t w = wide.begin; w < wide.end; ++w) {
          const std::int64_t window = ((at.sample * g.rows.pooled + h) * g.columns.pooled + w) * g.channels + at.channel;
          const Pack<T, width> pack = load_pack<width>(dy + window);
          if constexpr (kind == PoolKind::average) {
            const float share = share_of(g, h, w);
            for (int e = 0; e < width; ++e) sums[e] += to_float(pack.elements[e]) * share;
          } else {
            const Pack<std::int64_t, width> winners = load_pack<width>(indices + window);
            const std::int64_t pixel = at.row * g.columns.extent + at.column;
            for (int e = 0; e < width; ++e) sums[e] += winners.elements[e] == pixel ? to_float(pack.elements[e]) : 0;
          }
        }
      }
      Pack<T, width> out{};
      if (write == Write::add) out = load_pack<width>(dx + p * width);
      for (int e = 0; e < width; ++e) put(out.elements[e], sums[e], write);
      store_pack(dx + p * width, out);
    }
  }
};

/// Calls body.operator()<T, width, kind>(). `indices` are for maximum pooling.
template <class Body>
void with_kernel(PoolKind kind, const Tensor& image, const Tensor& pooled, const Tensor& indices, Body&& body) {
  with_activation(image.dtype(), who, [&]<class T>() {
    const bool packed = image.extent(3) % Pack<T>::size == 0 && starts_a_pack(image) && starts_a_pack(pooled) &&
                        (kind == PoolKind::average || starts_a_pack(indices));
    with_width<T>(packed, [&]<int width>() {
      if (kind == PoolKind::max) {
        body.template operator()<T, width, PoolKind::max>();
      } else {
        body.template operator()<T, width, PoolKind::average>();
      }
    });
  });
}

/// nullptr for average pooling, which has no indices.
std::int64_t* indices_of(PoolKind kind, const Tensor& indices) {
  return kind == PoolKind::max ? elements<std::int64_t>(indices, who) : nullptr;
}

}  // namespace

void pool_forward(Cuda& cuda, const PoolWindow& window, const Tensor& x, const Tensor& y, const Tensor& indices) {
  const PoolGeometry geometry = pool_geometry(window, x.shape(), y.shape());
  with_kernel(window.kind, x, y, indices, [&]<class T, int width, PoolKind kind>() {
    const PoolForward<T, width, kind> kernel{.g = geometry,
                                             .x = elements<const T>(x, who),
                                             .y = elements<T>(y, who),
                                             .indices = indices_of(kind, indices),
                                             .packs = y.count() / width};
    launch(cuda, blocks_for(cuda, kernel.packs, kernel.threads), kernel);
  });
}

void pool_backward(Cuda& cuda, const PoolWindow& window, const Tensor& dy, const Tensor& indices, const Gradient& dx) {
  if (!dx) return;
  const PoolGeometry geometry = pool_geometry(window, dx.tensor.shape(), dy.shape());
  with_kernel(window.kind, dx.tensor, dy, indices, [&]<class T, int width, PoolKind kind>() {
    const PoolBackward<T, width, kind> kernel{.g = geometry,
                                              .dy = elements<const T>(dy, who),
                                              .indices = indices_of(kind, indices),
                                              .dx = elements<T>(dx.tensor, who),
                                              .packs = dx.tensor.count() / width,
                                              .write = dx.write};
    launch(cuda, blocks_for(cuda, kernel.packs, kernel.threads), kernel);
  });
}

}  // namespace amnet
