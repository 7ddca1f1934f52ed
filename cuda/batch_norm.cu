#include <amnet/kernels/batch_norm.h>

#include "column_sums.h"
#include "kernels/arguments.h"
#include "rows.h"

namespace amnet {
namespace {

constexpr std::string_view who = "batch_norm";

template <class T>
struct Sum {
  static constexpr int quantities = 1;
  const T* x;
  template <int width>
  AMNET_DEVICE void operator()(std::int64_t i, std::int64_t, float (&sums)[1][width]) const {
    const Pack<T, width> values = load_pack<width>(x + i);
    for (int e = 0; e < width; ++e) sums[0][e] += to_float(values.elements[e]);
  }
};

template <class T>
struct SquaredDifferences {
  static constexpr int quantities = 1;
  const T* x;
  const float* means;
  template <int width>
  AMNET_DEVICE void operator()(std::int64_t i, std::int64_t channel, float (&sums)[1][width]) const {
    const Pack<T, width> values = load_pack<width>(x + i);
    for (int e = 0; e < width; ++e) {
      const float difference = to_float(values.elements[e]) - means[channel + e];
      sums[0][e] += difference * difference;
    }
  }
};

/// The sums of dy, and of dy (x - mean).
template <class T>
struct SlopeSums {
  static constexpr int quantities = 2;
  const T *x, *dy;
  const float* means;
  template <int width>
  AMNET_DEVICE void operator()(std::int64_t i, std::int64_t channel, float (&sums)[2][width]) const {
    const Pack<T, width> gradients = load_pack<width>(dy + i), values = load_pack<width>(x + i);
    for (int e = 0; e < width; ++e) {
      const float slope = to_float(gradients.elements[e]);
      sums[0][e] += slope;
      sums[1][e] += slope * (to_float(values.elements[e]) - means[channel + e]);
    }
  }
};

struct MoveStatistics {
  static constexpr int threads = 256;
  const float *means, *variances;
  float *running_means, *running_variances, *weight_of_past;
  std::int64_t channels;
  float fraction, unbias;

  AMNET_DEVICE void operator()(const Thread& thread) const {
    const float weight = fraction * *weight_of_past + 1;
    thread.barrier();
    if (thread.index() == 0) *weight_of_past = weight;
    for (std::int64_t c = thread.index(); c < channels; c += threads) {
      running_means[c] += (means[c] - running_means[c]) / weight;
      running_variances[c] += (variances[c] * unbias - running_variances[c]) / weight;
    }
  }
};

/// What an element needs from its channel, read in one load.
struct alignas(16) ChannelTerms {
  float mean, factor, shift, slope;
};

/// y = (x - mean) factor + shift: the mean is subtracted first, because folding it into the shift
/// would cancel for a large mean. dx = factor (dy - shift - (x - mean) slope), and where the
/// statistics are constants dx = factor dy.
struct Normalise {
  const ChannelTerms* channels;
  AMNET_DEVICE float operator()(const float (&x)[1], std::int64_t channel) const {
    const ChannelTerms terms = channels[channel];
    return (x[0] - terms.mean) * terms.factor + terms.shift;
  }
};
struct NormaliseBackward {
  const ChannelTerms* channels;
  AMNET_DEVICE float operator()(const float (&dy)[1], std::int64_t channel) const { return channels[channel].factor * dy[0]; }
  AMNET_DEVICE float operator()(const float (&values)[2], std::int64_t channel) const {
    const ChannelTerms terms = channels[channel];
    return terms.factor * (values[1] - terms.shift - (values[0] - terms.mean) * terms.slope);
  }
};

struct PrepareForward {
  static constexpr int threads = 256;
  const float *means, *variances, *scales, *shifts;  // scales and shifts or nullptr
  float epsilon;
  std::int64_t channels;
  ChannelTerms* out;

  AMNET_DEVICE void operator()(const Thread& thread) const {
    for (std::int64_t c = thread.first(); c < channels; c += thread.step()) {
      const float inverse = 1 / sqrtf(variances[c] + epsilon);
      out[c] = {.mean = means[c],
                .factor = scales != nullptr ? inverse * scales[c] : inverse,
                .shift = shifts != nullptr ? shifts[c] : 0,
                .slope = 0};
    }
  }
};

/// Writes the gradients of scale and shift as well.
struct PrepareBackward {
  static constexpr int threads = 256;
  // scales or nullptr; sums (2,channels), or nullptr where nothing needs them
  const float *means, *variances, *scales, *sums;
  float epsilon, share;  // 1 / m
  std::int64_t channels;
  float *dscale, *dshift;  // or nullptr
  Write write_scale, write_shift;
  ChannelTerms* out;

  AMNET_DEVICE void operator()(const Thread& thread) const {
    for (std::int64_t c = thread.first(); c < channels; c += thread.step()) {
      const float inverse = 1 / sqrtf(variances[c] + epsilon);
      const float of_shift = sums != nullptr ? sums[c] : 0;
      const float of_scale = sums != nullptr ? sums[channels + c] * inverse : 0;
      if (dscale != nullptr) put(dscale[c], of_scale, write_scale);
      if (dshift != nullptr) put(dshift[c], of_shift, write_shift);
      out[c] = {.mean = means[c],
                .factor = scales != nullptr ? inverse * scales[c] : inverse,
                .shift = of_shift * share,
                .slope = of_scale * share * inverse};
    }
  }
};

float* target_of(const Gradient& gradient) { return gradient ? elements<float>(gradient.tensor, who) : nullptr; }

}  // namespace

void batch_norm_statistics(Cuda& cuda, const Tensor& x, const Tensor& mean, const Tensor& variance) {
  check_batch_norm(x, mean, variance, x);
  const std::int64_t channels = channels_of(x), rows = rows_of(x);
  const float share = 1 / static_cast<float>(std::max<std::int64_t>(rows, 1));
  with_activation(x.dtype(), who, [&]<class T>() {
    const T* in = elements<const T>(x, who);
    float* means = elements<float>(mean, who);
    column_sums<T>(cuda, Sum<T>{in}, rows, channels, starts_a_pack(x), {{.out = means, .factor = share}});
    // A second pass over the differences: the difference of two large sums would lose a small
    // variance.
    column_sums<T>(cuda, SquaredDifferences<T>{in, means}, rows, channels, starts_a_pack(x),
                   {{.out = elements<float>(variance, who), .factor = share}});
  });
}

void batch_norm_update(Cuda& cuda, double fraction, std::int64_t samples, const Tensor& mean, const Tensor& variance,
                       const Tensor& running_mean, const Tensor& running_variance, const Tensor& weight_of_past) {
  launch(cuda, 1,
         MoveStatistics{.means = elements<const float>(mean, who),
                        .variances = elements<const float>(variance, who),
                        .running_means = elements<float>(running_mean, who),
                        .running_variances = elements<float>(running_variance, who),
                        .weight_of_past = elements<float>(weight_of_past, who),
                        .channels = running_mean.count(),
                        .fraction = static_cast<float>(fraction),
                        .unbias = samples > 1 ? static_cast<float>(samples) / static_cast<float>(samples - 1) : 1});
}

void batch_norm_forward(Cuda& cuda, double epsilon, const Tensor& x, const Tensor& mean, const Tensor& variance, const Tensor& scale,
                        const Tensor& shift, const Tensor& y) {
  check_batch_norm(x, mean, variance, y);
  const std::int64_t channels = channels_of(x);
  ChannelTerms* terms = cuda.state().scratch_of<ChannelTerms>(channels);
  launch(cuda, blocks_for(cuda, channels, PrepareForward::threads),
         PrepareForward{.means = elements<const float>(mean, who),
                        .variances = elements<const float>(variance, who),
                        .scales = elements_or_null<const float>(scale, who),
                        .shifts = elements_or_null<const float>(shift, who),
                        .epsilon = static_cast<float>(epsilon),
                        .channels = channels,
                        .out = terms});
  with_activation(x.dtype(), who, [&]<class T>() { map_elements<T>(cuda, Normalise{terms}, {x}, y, Write::assign, who); });
}

void batch_norm_backward(Cuda& cuda, double epsilon, bool stored_statistics, const Tensor& x, const Tensor& mean, const Tensor& variance,
                         const Tensor& scale, const Tensor& dy, const Gradient& dx, const Gradient& dscale, const Gradient& dshift) {
  check_batch_norm(x, mean, variance, dy);
  const std::int64_t channels = channels_of(x), rows = rows_of(x);
  with_activation(x.dtype(), who, [&]<class T>() {
    const bool sums_wanted = dscale || dshift || (dx && !stored_statistics);
    const std::int64_t terms_floats = channels * static_cast<std::int64_t>(sizeof(ChannelTerms) / sizeof(float));
    float* const room = cuda.state().scratch_of<float>(terms_floats + 2 * channels + column_sums_room<SlopeSums<T>>(cuda, rows, channels));
    auto* const terms = reinterpret_cast<ChannelTerms*>(room);
    float* const sums = room + terms_floats;
    const float* const means = elements<const float>(mean, who);
    if (sums_wanted) {
      column_sums<T>(cuda, SlopeSums<T>{elements<const T>(x, who), elements<const T>(dy, who), means}, rows, channels,
                     starts_a_pack(x) && starts_a_pack(dy), {{.out = sums}, {.out = sums + channels}}, sums + 2 * channels);
    }
    launch(cuda, blocks_for(cuda, channels, PrepareBackward::threads),
           PrepareBackward{.means = means,
                           .variances = elements<const float>(variance, who),
                           .scales = elements_or_null<const float>(scale, who),
                           .sums = sums_wanted ? sums : nullptr,
                           .epsilon = static_cast<float>(epsilon),
                           .share = 1 / static_cast<float>(std::max<std::int64_t>(rows, 1)),
                           .channels = channels,
                           .dscale = target_of(dscale),
                           .dshift = target_of(dshift),
                           .write_scale = dscale.write,
                           .write_shift = dshift.write,
                           .out = terms});
    if (!dx) return;
    if (stored_statistics) {
      map_elements<T>(cuda, NormaliseBackward{terms}, {dy}, dx.tensor, dx.write, who);
    } else {
      map_elements<T>(cuda, NormaliseBackward{terms}, {x, dy}, dx.tensor, dx.write, who);
    }
  });
}

}  // namespace amnet
