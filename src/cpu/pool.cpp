#include "kernels/pool_windows.h"

#include <limits>

#include "lanes.h"

namespace amnet {
namespace {

template <class T>
void pool_max(Cpu& cpu, const PoolGeometry& g, const T* x, T* y, std::int64_t* indices) {
  for_rows(cpu, g.samples * g.rows.pooled, g.columns.pooled * g.channels, [&](std::int64_t line) {
    const std::int64_t sample = line / g.rows.pooled;
    const PoolRange high = g.rows.window(line % g.rows.pooled);
    const T* image = x + sample * g.rows.extent * g.columns.extent * g.channels;
    for (std::int64_t ow = 0; ow < g.columns.pooled; ++ow) {
      const PoolRange wide = g.columns.window(ow);
      T* best = y + (line * g.columns.pooled + ow) * g.channels;
      std::int64_t* winner = indices + (line * g.columns.pooled + ow) * g.channels;
      std::fill_n(best, g.channels, -std::numeric_limits<T>::infinity());
      std::fill_n(winner, g.channels, high.begin * g.columns.extent + wide.begin);
      for (std::int64_t h = high.begin; h < high.end; ++h) {
        for (std::int64_t w = wide.begin; w < wide.end; ++w) {
          const std::int64_t at = h * g.columns.extent + w;
          const T* pixel = image + at * g.channels;
          for (std::int64_t c = 0; c < g.channels; ++c) {
            // a NaN is taken as the maximum, so that it stays visible
            const bool wins = pixel[c] > best[c] || pixel[c] != pixel[c];
            best[c] = wins ? pixel[c] : best[c];
            winner[c] = wins ? at : winner[c];
          }
        }
      }
    }
  });
}

template <class T>
void pool_average(Cpu& cpu, const PoolGeometry& g, const T* x, T* y) {
  for_rows(cpu, g.samples * g.rows.pooled, g.columns.pooled * g.channels, [&](std::int64_t line) {
    const std::int64_t sample = line / g.rows.pooled;
    const std::int64_t oh = line % g.rows.pooled;
    const PoolRange high = g.rows.window(oh);
    const T* image = x + sample * g.rows.extent * g.columns.extent * g.channels;
    for (std::int64_t ow = 0; ow < g.columns.pooled; ++ow) {
      const PoolRange wide = g.columns.window(ow);
      T* sum = y + (line * g.columns.pooled + ow) * g.channels;
      std::fill_n(sum, g.channels, T{0});
      for (std::int64_t h = high.begin; h < high.end; ++h) {
        for (std::int64_t w = wide.begin; w < wide.end; ++w) {
          const T* pixel = image + (h * g.columns.extent + w) * g.channels;
          for (std::int64_t c = 0; c < g.channels; ++c) sum[c] += pixel[c];
        }
      }
      const T inverse = T{1} / static_cast<T>(g.rows.padded_length(oh) * g.columns.padded_length(ow));
      for (std::int64_t c = 0; c < g.channels; ++c) sum[c] *= inverse;
    }
  });
}

/// Every pixel gathers from the windows that hold it: add(pixel, h, w, window) adds the gradient of
/// one window, (OH*OW index), to it.
template <class T, class AddWindow>
void gather(Cpu& cpu, const PoolGeometry& g, T* dx, Write write, AddWindow&& add_window) {
  for_rows(cpu, g.samples * g.rows.extent, g.columns.extent * g.channels, [&](std::int64_t line) {
    const std::int64_t sample = line / g.rows.extent;
    const std::int64_t h = line % g.rows.extent;
    const PoolRange over_h = g.rows.windows_over(h);
    for (std::int64_t w = 0; w < g.columns.extent; ++w) {
      T* pixel = dx + (line * g.columns.extent + w) * g.channels;
      if (write == Write::assign) std::fill_n(pixel, g.channels, T{0});
      const PoolRange over_w = g.columns.windows_over(w);
      for (std::int64_t oh = over_h.begin; oh < over_h.end; ++oh) {
        for (std::int64_t ow = over_w.begin; ow < over_w.end; ++ow) {
          const std::int64_t window = (sample * g.rows.pooled + oh) * g.columns.pooled + ow;
          add_window(pixel, h * g.columns.extent + w, oh, ow, window * g.channels);
        }
      }
    }
  });
}

}  // namespace

void pool_forward(Cpu& cpu, const PoolWindow& window, const Tensor& x, const Tensor& y, const Tensor& indices) {
  const PoolGeometry geometry = pool_geometry(window, x.shape(), y.shape());
  with_float(x.dtype(), "pool", [&]<class T>() {
    if (window.kind == PoolKind::max) {
      pool_max(cpu, geometry, x.data<const T>().data(), y.data<T>().data(), indices.data<std::int64_t>().data());
    } else {
      pool_average(cpu, geometry, x.data<const T>().data(), y.data<T>().data());
    }
  });
}

void pool_backward(Cpu& cpu, const PoolWindow& window, const Tensor& dy, const Tensor& indices, const Gradient& dx) {
  if (!dx) return;
  const PoolGeometry g = pool_geometry(window, dx.tensor.shape(), dy.shape());
  with_float(dy.dtype(), "pool", [&]<class T>() {
    const T* dout = dy.data<T>().data();
    T* din = dx.tensor.data<T>().data();
    if (window.kind == PoolKind::max) {
      const std::int64_t* winners = indices.data<std::int64_t>().data();
      gather(cpu, g, din, dx.write, [&](T* pixel, std::int64_t at, std::int64_t, std::int64_t, std::int64_t from) {
        for (std::int64_t c = 0; c < g.channels; ++c) pixel[c] += winners[from + c] == at ? dout[from + c] : T{0};
      });
    } else {
      gather(cpu, g, din, dx.write, [&](T* pixel, std::int64_t, std::int64_t oh, std::int64_t ow, std::int64_t from) {
        const T inverse = T{1} / static_cast<T>(g.rows.padded_length(oh) * g.columns.padded_length(ow));
        for (std::int64_t c = 0; c < g.channels; ++c) pixel[c] += dout[from + c] * inverse;
      });
    }
  });
}

}  // namespace amnet
