#include <amnet/core/random.h>
#include <amnet/kernels/stochastic_pool.h>

#include <limits>

#include "kernels/pool_windows.h"
#include "lanes.h"

namespace amnet {
namespace {

/// The rules here do not depend on the window's kind.
PoolWindow of_maxima(PoolWindow window) {
  window.kind = PoolKind::max;
  return window;
}

/// The sums over a window of one channel.
struct Sums {
  double values = 0, squares = 0;
};

/// Calls body(pixel index h * W + w) for the window's pixels, row by row.
template <class Body>
void for_pixels(const PoolGeometry& g, const PoolRange& rows, const PoolRange& columns, Body&& body) {
  for (std::int64_t h = rows.begin; h < rows.end; ++h) {
    for (std::int64_t w = columns.begin; w < columns.end; ++w) body(h * g.columns.extent + w);
  }
}

template <class T>
Sums sums_of(const PoolGeometry& g, const PoolRange& rows, const PoolRange& columns, const T* channel) {
  Sums sums;
  for_pixels(g, rows, columns, [&](std::int64_t at) {
    const auto value = static_cast<double>(channel[at * g.channels]);
    sums.values += value;
    sums.squares += value * value;
  });
  return sums;
}

/// Calls body(line of windows, its rows, first element of the image) on several threads.
template <class Body>
void for_lines(Cpu& cpu, const PoolGeometry& g, Body&& body) {
  const std::int64_t window_pixels = g.rows.kernel * g.columns.kernel;
  for_rows(cpu, g.samples * g.rows.pooled, g.columns.pooled * g.channels * window_pixels, [&](std::int64_t line) {
    body(line, g.rows.window(line % g.rows.pooled), line / g.rows.pooled * g.rows.extent * g.columns.extent * g.channels);
  });
}

}  // namespace

void stochastic_pool_forward(Cpu& cpu, const PoolWindow& window, const PoolDraw& draw, const Tensor& x, const Tensor& y,
                             const Tensor& indices) {
  const PoolGeometry g = pool_geometry(of_maxima(window), x.shape(), y.shape());
  with_float(x.dtype(), "pool", [&]<class T>() {
    const T* in = x.data<const T>().data();
    T* out = y.data<T>().data();
    std::int64_t* drawn = indices.data<std::int64_t>().data();
    const Random random(draw.seed, draw.stream, static_cast<std::uint64_t>(draw.step));
    for_lines(cpu, g, [&](std::int64_t line, const PoolRange& rows, std::int64_t image) {
      for (std::int64_t ow = 0; ow < g.columns.pooled; ++ow) {
        const PoolRange columns = g.columns.window(ow);
        for (std::int64_t c = 0; c < g.channels; ++c) {
          const std::int64_t to = (line * g.columns.pooled + ow) * g.channels + c;
          const T* channel = in + image + c;
          const double sum = sums_of(g, rows, columns, channel).values;
          const double threshold = random.uniform(static_cast<std::uint64_t>(to)) * sum;
          double so_far = 0;
          std::int64_t chosen = rows.begin * g.columns.extent + columns.begin;
          bool found = !(sum > 0);
          for_pixels(g, rows, columns, [&](std::int64_t at) {
            if (found) return;
            so_far += static_cast<double>(channel[at * g.channels]);
            // the last of them where the threshold was rounded up
            if (channel[at * g.channels] > 0) chosen = at;
            found = so_far > threshold;
          });
          drawn[to] = chosen;
          out[to] = sum == sum ? channel[chosen * g.channels] : std::numeric_limits<T>::quiet_NaN();
        }
      }
    });
  });
}

void stochastic_pool_backward(Cpu& cpu, const PoolWindow& window, const Tensor& dy, const Tensor& indices, const Gradient& dx) {
  pool_backward(cpu, of_maxima(window), dy, indices, dx);
}

void expected_pool_forward(Cpu& cpu, const PoolWindow& window, const Tensor& x, const Tensor& y) {
  const PoolGeometry g = pool_geometry(of_maxima(window), x.shape(), y.shape());
  with_float(x.dtype(), "pool", [&]<class T>() {
    const T* in = x.data<const T>().data();
    T* out = y.data<T>().data();
    for_lines(cpu, g, [&](std::int64_t line, const PoolRange& rows, std::int64_t image) {
      for (std::int64_t ow = 0; ow < g.columns.pooled; ++ow) {
        for (std::int64_t c = 0; c < g.channels; ++c) {
          const Sums sums = sums_of(g, rows, g.columns.window(ow), in + image + c);
          out[(line * g.columns.pooled + ow) * g.channels + c] = sums.values <= 0 ? T{0} : static_cast<T>(sums.squares / sums.values);
        }
      }
    });
  });
}

void expected_pool_backward(Cpu& cpu, const PoolWindow& window, const Tensor& x, const Tensor& dy, const Gradient& dx) {
  if (!dx) return;
  const PoolGeometry g = pool_geometry(of_maxima(window), x.shape(), dy.shape());
  with_float(x.dtype(), "pool", [&]<class T>() {
    const T* in = x.data<const T>().data();
    const T* dout = dy.data<const T>().data();
    T* din = dx.tensor.data<T>().data();
    // Windows overlap: one image is one piece of work, so that each pixel has one writer.
    const std::int64_t image_elements = g.rows.extent * g.columns.extent * g.channels;
    for_rows(cpu, g.samples, image_elements * g.rows.kernel * g.columns.kernel, [&](std::int64_t sample) {
      const std::int64_t image = sample * image_elements;
      if (dx.write == Write::assign) std::fill_n(din + image, image_elements, T{0});
      for (std::int64_t oh = 0; oh < g.rows.pooled; ++oh) {
        for (std::int64_t ow = 0; ow < g.columns.pooled; ++ow) {
          const PoolRange rows = g.rows.window(oh), columns = g.columns.window(ow);
          for (std::int64_t c = 0; c < g.channels; ++c) {
            const Sums sums = sums_of(g, rows, columns, in + image + c);
            if (sums.values <= 0) continue;
            const double mean = sums.squares / sums.values;
            const double slope =
                static_cast<double>(dout[((sample * g.rows.pooled + oh) * g.columns.pooled + ow) * g.channels + c]) / sums.values;
            for_pixels(g, rows, columns, [&](std::int64_t at) {
              const std::int64_t pixel = image + at * g.channels + c;
              din[pixel] += static_cast<T>(slope * (2 * static_cast<double>(in[pixel]) - mean));
            });
          }
        }
      }
    });
  });
}

}  // namespace amnet
