#include <amnet/kernels/lse_margin.h>

#include "kernels/margin_arguments.h"
#include "kernels/mean_shift.h"
#include "rows.h"

namespace amnet {
namespace {

constexpr std::string_view who = "lse_margin";

/// What the margin of a batch is made of, for one sample.
struct Sample {
  float target, lse, largest;  // the largest of the others, and at least -1
  AMNET_DEVICE double margin() const { return static_cast<double>(target) - static_cast<double>(lse); }
};

/// The cosines of a batch.
struct Cosines {
  const float* values;  // (N,classes)
  std::int64_t rows, classes;
  const std::int64_t* labels;
  const float *norms, *scale;  // norms or nullptr; one scale

  AMNET_DEVICE float scale_of(std::int64_t row) const { return norms != nullptr ? norms[row] : *scale; }
  /// -1 for a label that is not a class.
  AMNET_DEVICE std::int64_t label_of(std::int64_t row) const {
    const std::int64_t label = labels[row];
    return label >= 0 && label < classes ? label : -1;
  }
};

struct LimitScale {
  static constexpr int threads = warp_size;
  float* scale;
  double low, high;

  AMNET_DEVICE void operator()(const Thread& thread) const {
    if (thread.index() != 0) return;
    double value = static_cast<double>(*scale);
    value = value < low ? low : value;
    *scale = static_cast<float>(value > high ? high : value);
  }
};

/// One block for each sample.
struct Judge {
  static constexpr int threads = 256;
  struct Shared {
    float largest[threads / warp_size];
    double sums[threads / warp_size];
  };
  Cosines cosines;
  Sample* samples;

  AMNET_DEVICE void operator()(const Thread& thread) const {
    Shared& shared = thread.shared<Shared>();
    const std::int64_t row = thread.block(), label = cosines.label_of(row);
    const float* values = cosines.values + row * cosines.classes;
    const float scale = cosines.scale_of(row);
    float largest = -1;
    for (std::int64_t i = thread.index(); i < cosines.classes; i += threads) {
      if (i != label && values[i] > largest) largest = values[i];
    }
    largest = block_max(thread, largest, shared.largest);
    float sum = 0;
    for (std::int64_t i = thread.index(); i < cosines.classes; i += threads) {
      if (i != label) sum += expf(scale * (values[i] - largest));
    }
    const double all = block_sum(thread, static_cast<double>(sum), shared.sums);
    if (thread.index() != 0) return;
    samples[row] = {.target = label < 0 ? 0 : values[label], .lse = static_cast<float>(log(all)) / scale + largest, .largest = largest};
  }
};

/// One block: moves the margin, and writes the statistics. Every sum has a room of its own, so that
/// no thread waits before it; those of the mean shift are used again.
struct MoveMargin {
  static constexpr int threads = 256;
  enum Sum { of_near, of_count, of_margins, of_scales, of_targets, of_lses, of_largest, all_sums };
  struct Shared {
    double sums[all_sums][threads / warp_size];
  };
  Cosines cosines;
  const Sample* samples;
  bool applies;
  float *margin, *applied, *statistics;  // statistics or nullptr

  /// The mean of value(row) over the samples, in every thread.
  template <class Value>
  AMNET_DEVICE double mean_of(const Thread& thread, Sum which, Value value) const {
    double sum = 0;
    for (std::int64_t row = thread.index(); row < cosines.rows; row += threads) sum += value(row);
    return block_sum(thread, sum, thread.shared<Shared>().sums[which]) / static_cast<double>(cosines.rows > 1 ? cosines.rows : 1);
  }

  struct Near {
    const MoveMargin& of;
    const Thread& thread;
    AMNET_DEVICE NearValues operator()(double mu) const {
      Shared& shared = thread.shared<Shared>();
      double sum = 0, count = 0;
      for (std::int64_t row = thread.index(); row < of.cosines.rows; row += threads) {
        const double value = of.samples[row].margin();
        if (!(fabs(value - mu) < 0.1)) continue;
        sum += value;
        count += 1;
      }
      thread.barrier();  // until all have read the sums of the step before
      return {block_sum(thread, sum, shared.sums[of_near]), block_sum(thread, count, shared.sums[of_count])};
    }
  };

  AMNET_DEVICE void operator()(const Thread& thread) const {
    const Cosines from = cosines;
    const Sample* const all = samples;
    auto running = static_cast<double>(*margin);
    if (applies && cosines.rows > 0) {
      const double mean = mean_of(thread, of_margins, [all](std::int64_t row) { return all[row].margin(); });
      running = moved_margin(running, mean, Near{*this, thread});
      if (thread.index() == 0) *margin = static_cast<float>(running);
    }
    if (thread.index() == 0) *applied = applies && running > 0 ? static_cast<float>(running) : 0;
    if (statistics == nullptr) return;
    const double means[] = {
        from.norms == nullptr ? static_cast<double>(*from.scale)
                              : mean_of(thread, of_scales, [from](std::int64_t row) { return static_cast<double>(from.norms[row]); }),
        mean_of(thread, of_targets, [all](std::int64_t row) { return static_cast<double>(all[row].target); }),
        mean_of(thread, of_lses, [all](std::int64_t row) { return static_cast<double>(all[row].lse); }),
        mean_of(thread, of_largest, [all](std::int64_t row) { return static_cast<double>(all[row].largest); }), running};
    if (thread.index() != 0) return;
    for (int i = 0; i < 5; ++i) statistics[i] = static_cast<float>(means[i]);
  }
};

/// y = s (x - m [target]).
struct ScaleCosines {
  Cosines cosines;
  const float* applied;
  float* y;
  bool packed;

  template <class Team>
  AMNET_DEVICE void operator()(const Team& team, std::int64_t row) const {
    const std::int64_t begin = row * cosines.classes, label = cosines.label_of(row);
    const float scale = cosines.scale_of(row), margin = *applied;
    team.template each<Pack<float>::size>(cosines.classes, packed, [&]<int width>(Width<width>, std::int64_t i) {
      float values[width];
      load_floats(cosines.values + begin + i, values);
      for (int e = 0; e < width; ++e) values[e] = scale * (i + e == label ? values[e] - margin : values[e]);
      store_floats(y + begin + i, values, Write::assign);
    });
  }
};

/// dx, and the sum of dy (x - m [target]) of each sample.
struct Differentiate {
  Cosines cosines;
  const float *applied, *dy;
  float *dx, *sums;  // or nullptr
  Write write, write_sums;
  bool packed;

  template <class Team>
  AMNET_DEVICE void operator()(const Team& team, std::int64_t row) const {
    const std::int64_t begin = row * cosines.classes, label = cosines.label_of(row);
    const float scale = cosines.scale_of(row), margin = *applied;
    float sum = 0;
    team.template each<Pack<float>::size>(cosines.classes, packed, [&]<int width>(Width<width>, std::int64_t i) {
      float slopes[width];
      load_floats(dy + begin + i, slopes);
      if (sums != nullptr) {
        float values[width];
        load_floats(cosines.values + begin + i, values);
        for (int e = 0; e < width; ++e) sum += slopes[e] * (i + e == label ? values[e] - margin : values[e]);
      }
      if (dx == nullptr) return;
      for (float& slope : slopes) slope *= scale;
      store_floats(dx + begin + i, slopes, write);
    });
    if (sums == nullptr) return;
    sum = team.sum(sum);
    if (team.lane() == 0) put(sums[row], sum, write_sums);
  }
};

/// One block.
struct SumOfSums {
  static constexpr int threads = 256;
  struct Shared {
    double sums[threads / warp_size];
  };
  const float* sums;
  std::int64_t count;
  float* to;
  Write write;

  AMNET_DEVICE void operator()(const Thread& thread) const {
    double sum = 0;
    for (std::int64_t i = thread.index(); i < count; i += threads) sum += static_cast<double>(sums[i]);
    sum = block_sum(thread, sum, thread.shared<Shared>().sums);
    if (thread.index() == 0) put(*to, static_cast<float>(sum), write);
  }
};

Cosines cosines_of(const Tensor& x, const Tensor& labels, const Tensor& norms, const Tensor& scale) {
  return {.values = elements<const float>(x, who),
          .rows = x.extent(0),
          .classes = x.extent(1),
          .labels = elements<const std::int64_t>(labels, who),
          .norms = elements_or_null<const float>(norms, who),
          .scale = elements<const float>(scale, who)};
}

}  // namespace

void lse_margin_forward(Cuda& cuda, const LseMarginOptions& options, const Tensor& x, const Tensor& labels, const Tensor& norms,
                        const Tensor& scale, const Tensor& margin, const Tensor& applied, const Tensor& y, const Tensor& statistics) {
  check_lse_margin(x, labels, norms, scale, applied, y);
  check_values(margin, 1, x.dtype(), "margin", who);
  if (statistics.defined()) check_values(statistics, 5, x.dtype(), "statistics", who);
  const Cosines cosines = cosines_of(x, labels, norms, scale);
  launch(cuda, 1, LimitScale{elements<float>(scale, who), options.min_scale, options.max_scale});
  const bool judged = options.applies || statistics.defined();
  Sample* const samples = judged ? cuda.state().scratch_of<Sample>(cosines.rows) : nullptr;
  if (judged) launch(cuda, cosines.rows, Judge{cosines, samples});
  launch(cuda, 1,
         MoveMargin{.cosines = cosines,
                    .samples = samples,
                    .applies = options.applies,
                    .margin = elements<float>(margin, who),
                    .applied = elements<float>(applied, who),
                    .statistics = elements_or_null<float>(statistics, who)});
  for_rows(cuda, cosines.rows, cosines.classes,
           ScaleCosines{cosines, elements<const float>(applied, who), elements<float>(y, who),
                        rows_are_packed(cosines.classes, Pack<float>::size, {x, y})});
}

void lse_margin_backward(Cuda& cuda, const Tensor& x, const Tensor& labels, const Tensor& norms, const Tensor& scale, const Tensor& applied,
                         const Tensor& dy, const Gradient& dx, const Gradient& dscale, const Gradient& dnorms) {
  if (!dx && !dscale && !dnorms) return;
  check_lse_margin(x, labels, norms, scale, applied, dy);
  const Cosines cosines = cosines_of(x, labels, norms, scale);
  float* sums = nullptr;
  if (dnorms) {
    sums = elements<float>(dnorms.tensor, who);
  } else if (dscale) {
    sums = cuda.state().scratch_of<float>(cosines.rows);
  }
  for_rows(cuda, cosines.rows, cosines.classes,
           Differentiate{.cosines = cosines,
                         .applied = elements<const float>(applied, who),
                         .dy = elements<const float>(dy, who),
                         .dx = dx ? elements<float>(dx.tensor, who) : nullptr,
                         .sums = sums,
                         .write = dx.write,
                         .write_sums = dnorms ? dnorms.write : Write::assign,
                         .packed = rows_are_packed(cosines.classes, Pack<float>::size, {x, dy, dx ? dx.tensor : Tensor()})});
  // With norms the scale has no effect.
  if (dscale) launch(cuda, 1, SumOfSums{sums, norms.defined() ? 0 : cosines.rows, elements<float>(dscale.tensor, who), dscale.write});
}

}  // namespace amnet
