// A row of logits, with up to hundreds of thousands of elements, is read once in each direction.
// Few long rows are divided among more blocks than there are rows; the results of a row's blocks
// are combined in their order. What the target decides is found before, for all rows at once.
#include <amnet/kernels/softmax_cross_entropy.h>

#include "class_rows.h"
#include "kernels/arguments.h"

#include <cmath>
#include <limits>

namespace amnet {
namespace {

constexpr std::string_view who = "softmax_cross_entropy";
constexpr float lowest = std::numeric_limits<float>::lowest(), nothing = -std::numeric_limits<float>::infinity();
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

/// The logits of a batch, and what turns them into z.
struct Logits {
  ClassRows rows;
  MarginOptions margin;
  const float* norms;    // one for each row, or nullptr
  bool norms_scale;      // they take the place of the scale
  const float* weights;  // one for each row, or nullptr
  bool ignores;          // rows whose label is `ignored`
  std::int64_t ignored;

  AMNET_DEVICE float scale_of(std::int64_t i) const { return norms_scale ? norms[i] : static_cast<float>(margin.scale); }
  AMNET_DEVICE float norm_of(std::int64_t i) const { return norms != nullptr ? norms[i] : 0; }
  /// 0 for a row that does not count.
  AMNET_DEVICE float weight_of(std::int64_t i) const {
    if (ignores && rows.labels[i] == ignored) return 0;
    return weights != nullptr ? weights[i] : 1;
  }
};

/// One block: moves the running statistics, and sets what each row's target decides.
struct SetTargets {
  static constexpr int threads = 256;
  struct Shared {
    double sums[threads / warp_size], counts[threads / warp_size];
  };
  Logits logits;
  float *mean, *deviation;  // or nullptr
  bool moves;
  MarginRow<float>* out;  // (N)

  AMNET_DEVICE double value_of(std::int64_t i) const {
    const MarginForm& form = logits.margin.form;
    if (deviation != nullptr) return within(static_cast<double>(logits.norm_of(i)), form.norm_low, form.norm_high);
    return within(static_cast<double>(logits.rows.target_cosine(i)), -1.0, 1.0);
  }
  /// The sum of value(row) over the rows that count.
  template <class Value>
  AMNET_DEVICE double sum(const Thread& thread, const Value& value, double* room) const {
    double all = 0;
    for (std::int64_t i = thread.index(); i < logits.rows.number; i += threads) {
      if (logits.weight_of(i) != 0 && logits.rows.label_of(i) >= 0) all += value(i);
    }
    return block_sum(thread, all, room);
  }
  AMNET_DEVICE void move(const Thread& thread) const {
    Shared& shared = thread.shared<Shared>();
    const double momentum = logits.margin.form.momentum;
    const double count = sum(
        thread, [](std::int64_t) { return 1.0; }, shared.counts);
    const double of_batch = sum(
                                thread, [this](std::int64_t i) { return value_of(i); }, shared.sums) /
                            (count > 0 ? count : 1);
    thread.barrier();
    const double squares = sum(
        thread,
        [this, of_batch](std::int64_t i) {
          const double beyond = value_of(i) - of_batch;
          return beyond * beyond;
        },
        shared.sums);
    if (thread.index() == 0 && count > 0) {
      *mean = static_cast<float>(moved_statistic(static_cast<double>(*mean), of_batch, momentum));
      if (deviation != nullptr && count > 1)
        *deviation = static_cast<float>(moved_statistic(static_cast<double>(*deviation), sqrt(squares / (count - 1)), momentum));
    }
    thread.barrier();
  }

  AMNET_DEVICE void operator()(const Thread& thread) const {
    if (moves) move(thread);
    MarginStatistics statistics;
    if (mean != nullptr) statistics.mean = static_cast<double>(*mean);
    if (deviation != nullptr) statistics.deviation = static_cast<double>(*deviation);
    for (std::int64_t i = thread.index(); i < logits.rows.number; i += threads) {
      MarginRow<float> row{.largest = 0, .sum = 1, .others = 0, .target = 0, .slope = 0, .by_norm = 0, .threshold = 0, .mean = 0};
      if (logits.rows.label_of(i) >= 0 && logits.weight_of(i) != 0)
        set_margin(row, logits.margin, statistics, logits.rows.target_cosine(i), logits.norm_of(i));
      out[i] = row;
    }
  }
};

/// The largest z of the others of a part of a row, and the sum of exp(z - largest).
struct Normaliser {
  double sum;
  float largest;
};

template <class Rule>
struct Normalise {
  static constexpr int threads = RowParts::threads;
  static constexpr auto name = "Normalise";
  struct Shared {
    float largest[threads / warp_size];
    double sums[threads / warp_size];
  };
  Logits logits;
  RowParts row_parts;
  const MarginRow<float>* targets;  // (N)
  Normaliser* out;                  // (N, parts)

  AMNET_DEVICE void operator()(const Thread& thread) const {
    Shared& shared = thread.shared<Shared>();
    const std::int64_t row = row_parts.row_of(thread.block());
    const float scale = logits.scale_of(row);
    const int label = logits.rows.label_of(row);
    const Rule negative = Rule::of(logits.margin.form, targets[row]);
    float largest = lowest, sum = 0;
    row_parts.for_groups(thread, logits.rows.classes, [&](const RowParts::Group& group) {
      float z[RowParts::group];
      logits.rows.load(row, group, z);
      float most = largest;
      for (int e = 0; e < RowParts::group; ++e) {
        z[e] = group.holds(e) && group.at(e) != label ? rounded_product(scale, negative.value(z[e])) : nothing;
        most = most < z[e] ? z[e] : most;
      }
      if (most > largest) {
        sum *= expf(largest - most);
        largest = most;
      }
      for (int e = 0; e < RowParts::group; ++e) sum += expf(z[e] - largest);
    });
    const float most = block_max(thread, largest, shared.largest);
    const double all = block_sum(thread, static_cast<double>(sum) * static_cast<double>(expf(largest - most)), shared.sums);
    if (thread.index() == 0) out[thread.block()] = {.sum = all, .largest = most};
  }
};

/// One block: combines the parts of every row with its target, and the losses of all rows.
struct MeanLoss {
  static constexpr int threads = 128;
  struct Shared {
    double sums[threads / warp_size], weights[threads / warp_size];
  };
  Logits logits;
  const Normaliser* normalisers;  // (N, parts)
  int parts;
  double largest_loss;    // of a row
  double divisor;         // negative: the sum of the weights
  double factor;          // multiplies the loss
  MarginRow<float>* out;  // (N)
  float* loss;            // (1)
  float* divisor_out;     // (1), or nullptr

  AMNET_DEVICE void operator()(const Thread& thread) const {
    Shared& shared = thread.shared<Shared>();
    double losses = 0, weights = 0;
    for (std::int64_t row = thread.index(); row < logits.rows.number; row += threads) {
      Normaliser all = normalisers[row * parts];
      for (int part = 1; part < parts; ++part) {
        const Normaliser next = normalisers[row * parts + part];
        const float largest = all.largest < next.largest ? next.largest : all.largest;
        all = {.sum = all.sum * exp(static_cast<double>(all.largest) - static_cast<double>(largest)) +
                      next.sum * exp(static_cast<double>(next.largest) - static_cast<double>(largest)),
               .largest = largest};
      }
      MarginRow<float>& of = out[row];
      const float target = logits.rows.label_of(row) < 0 ? not_a_number : rounded_product(logits.scale_of(row), of.target);
      of.largest = target > all.largest ? target : all.largest;
      const double below = static_cast<double>(of.largest) - static_cast<double>(target);
      const double others = all.sum * exp(static_cast<double>(all.largest) - static_cast<double>(of.largest));
      of.others = static_cast<float>(others);
      of.sum = static_cast<float>(others + (below >= 0 ? exp(-below) : 0));
      // without the 1 of an easy row, nothing is lost
      const double of_row = below <= 0 ? log1p(others) : log(others + exp(-below)) + below;
      const auto weight = static_cast<double>(logits.weight_of(row));
      weights += weight;
      const double penalty = NormTerm::of(logits.margin.form, static_cast<double>(logits.norm_of(row))).value;
      if (weight != 0) losses += weight * ((of_row > largest_loss ? largest_loss : of_row) + penalty);
    }
    losses = block_sum(thread, losses, shared.sums);
    weights = block_sum(thread, weights, shared.weights);
    if (thread.index() == 0) {
      const double wanted = divisor < 0 ? weights : divisor, by = wanted > 1 ? wanted : 1;
      *loss = static_cast<float>(factor * losses / by);
      if (divisor_out != nullptr) *divisor_out = static_cast<float>(by);
    }
  }
};

/// dlogits, and dnorms where a row is not divided.
template <class Rule>
struct Differentiate {
  static constexpr int threads = RowParts::threads;
  static constexpr auto name = "Differentiate";
  struct Shared {
    double sums[threads / warp_size];
  };
  Logits logits;
  RowParts row_parts;
  const MarginRow<float>* row_values;  // (N)
  const float* dloss;                  // (1)
  const float* divisor;                // (1), or nullptr for the number of rows
  float factor;                        // multiplies the loss
  float *dlogits, *dnorms;             // or nullptr
  Write write_logits, write_norms;

  AMNET_DEVICE void operator()(const Thread& thread) const {
    const std::int64_t row = row_parts.row_of(thread.block());
    const float scale = logits.scale_of(row);
    const int label = logits.rows.label_of(row);
    const MarginRow<float> found = row_values[row];
    const Rule negative = Rule::of(logits.margin.form, found);
    const float inverse = 1 / found.sum, weight = logits.weight_of(row);
    const float share = factor * *dloss / (divisor != nullptr ? *divisor : static_cast<float>(logits.rows.number)) * weight;
    const float step = share * scale, of_target = -(found.others / found.sum);
    // sum_j p_j z_j - z_y divided by the scale: the target's cosine is subtracted from each cosine,
    // so that nearly equal terms cancel exactly, and the target's own term is zero.
    float along = 0;
    row_parts.for_groups(thread, logits.rows.classes, [&](const RowParts::Group& group) {
      float values[RowParts::group];
      logits.rows.load(row, group, values);
      for (int e = 0; e < RowParts::group; ++e) {
        const bool is_target = group.at(e) == label;
        const float c = values[e], moved = negative.value(c);
        const float probability = inverse * expf(rounded_product(scale, moved) - found.largest);
        if (!is_target && group.holds(e)) along += probability * (moved - found.target);
        values[e] = weight != 0 ? step * (is_target ? of_target * found.slope : probability * negative.slope(c)) : 0;
      }
      if (dlogits != nullptr) logits.rows.store(row, group, values, dlogits, write_logits);
    });
    if (dnorms == nullptr) return;
    const double sum = block_sum(thread, static_cast<double>(along), thread.shared<Shared>().sums);
    if (thread.index() != 0) return;
    const float of_margin = logits.norms_scale ? static_cast<float>(sum) : of_target * scale * found.by_norm;
    const auto of_penalty = static_cast<float>(NormTerm::of(logits.margin.form, static_cast<double>(logits.norm_of(row))).slope);
    put(dnorms[row], weight != 0 ? share * (of_margin + of_penalty) : 0, write_norms);
  }
};

template <class Rule>
struct Scale {
  static constexpr int threads = RowParts::threads;
  static constexpr auto name = "Scale";
  Logits logits;
  RowParts row_parts;
  const MarginRow<float>* targets;  // (N)
  float* out;                       // (N, classes)

  AMNET_DEVICE void operator()(const Thread& thread) const {
    const std::int64_t row = row_parts.row_of(thread.block());
    const float scale = logits.scale_of(row);
    const int label = logits.rows.label_of(row);
    const Rule negative = Rule::of(logits.margin.form, targets[row]);
    row_parts.for_groups(thread, logits.rows.classes, [&](const RowParts::Group& group) {
      float values[RowParts::group];
      logits.rows.load(row, group, values);
      for (int e = 0; e < RowParts::group; ++e)
        values[e] = rounded_product(scale, group.at(e) == label ? targets[row].target : negative.value(values[e]));
      group.store(out + row * logits.rows.classes, values, Write::assign);
    });
  }
};

Logits logits_of(const MarginOptions& options, const Tensor& matrix, const Tensor& labels, const MarginInputs& inputs,
                 const LossRows& rows = {}) {
  check_softmax_cross_entropy(options, matrix, labels, inputs, rows);
  return {.rows = ClassRows(matrix, labels, options.form.centres, who),
          .margin = options,
          .norms = elements_or_null<const float>(inputs.norms, who),
          .norms_scale = inputs.norms.defined() && !options.form.has_norm_margin(),
          .weights = elements_or_null<const float>(rows.weights, who),
          .ignores = rows.ignore_label.has_value(),
          .ignored = rows.ignore_label.value_or(0)};
}

SetTargets set_targets(const Logits& logits, const MarginInputs& inputs, bool moves, MarginRow<float>* out) {
  const MarginForm& form = logits.margin.form;
  return {.logits = logits,
          .mean = form.has_mean() ? elements<float>(inputs.mean, who) : nullptr,
          .deviation = form.has_deviation() ? elements<float>(inputs.deviation, who) : nullptr,
          .moves = moves && form.has_mean() && form.momentum > 0,
          .out = out};
}

/// Negative where the rows' weights are to be summed.
double divisor_of(const LossRows& rows, std::int64_t count) {
  switch (rows.normalization) {
    case LossNormalization::full: return static_cast<double>(count);
    case LossNormalization::valid: return -1;
    case LossNormalization::batch_size: return static_cast<double>(rows.samples);
    case LossNormalization::none: return 1;
  }
  return 1;
}

float* target_of(const Gradient& gradient) { return gradient ? elements<float>(gradient.tensor, who) : nullptr; }

}  // namespace

void margin_logits(Cuda& cuda, const MarginOptions& options, const Tensor& cosines, const Tensor& labels, const MarginInputs& inputs,
                   const Tensor& scaled) {
  const Logits logits = logits_of(options, cosines, labels, inputs);
  auto* const targets = cuda.state().scratch_of<MarginRow<float>>(logits.rows.number);
  launch(cuda, 1, set_targets(logits, inputs, false, targets));
  const RowParts parts(cuda, logits.rows, false, {cosines, scaled});
  with_negative_rule<float>(options.form, [&]<class Rule>() {
    launch(cuda, logits.rows.number * parts.parts, Scale<Rule>{logits, parts, targets, elements<float>(scaled, who)});
  });
}

void softmax_cross_entropy_forward(Cuda& cuda, const MarginOptions& options, const Tensor& matrix, const Tensor& labels,
                                   const MarginInputs& inputs, const Tensor& row_values, const Tensor& loss, const LossRows& rows) {
  const Logits logits = logits_of(options, matrix, labels, inputs, rows);
  check_row_values(row_values, matrix, who);
  MarginRow<float>* const out = margin_rows_of(row_values, who);
  launch(cuda, 1, set_targets(logits, inputs, true, out));
  const RowParts parts(cuda, logits.rows, false, {matrix});
  const std::int64_t blocks = logits.rows.number * parts.parts;
  Normaliser* const found = cuda.state().scratch_of<Normaliser>(blocks);
  with_negative_rule<float>(options.form, [&]<class Rule>() { launch(cuda, blocks, Normalise<Rule>{logits, parts, out, found}); });
  launch(cuda, 1,
         MeanLoss{.logits = logits,
                  .normalisers = found,
                  .parts = parts.parts,
                  .largest_loss = rows.probability_floor > 0 ? -std::log(rows.probability_floor) : std::numeric_limits<double>::infinity(),
                  .divisor = divisor_of(rows, logits.rows.number),
                  .factor = rows.factor,
                  .out = out,
                  .loss = elements<float>(loss, who),
                  .divisor_out = elements_or_null<float>(rows.divisor, who)});
}

void softmax_cross_entropy_backward(Cuda& cuda, const MarginOptions& options, const Tensor& matrix, const Tensor& labels,
                                    const MarginInputs& inputs, const Tensor& row_values, const Tensor& dloss, const Gradient& dlogits,
                                    const Gradient& dnorms, const LossRows& rows) {
  if (!dlogits && !dnorms) return;
  const Logits logits = logits_of(options, matrix, labels, inputs, rows);
  // Where the norms' gradient is needed, one block computes a row's sum.
  const RowParts parts(cuda, logits.rows, static_cast<bool>(dnorms), {matrix, dlogits ? dlogits.tensor : matrix});
  with_negative_rule<float>(options.form, [&]<class Rule>() {
    launch(cuda, logits.rows.number * parts.parts,
           Differentiate<Rule>{.logits = logits,
                               .row_parts = parts,
                               .row_values = margin_rows_of(row_values, who),
                               .dloss = elements<const float>(dloss, who),
                               .divisor = elements_or_null<const float>(rows.divisor, who),
                               .factor = static_cast<float>(rows.factor),
                               .dlogits = target_of(dlogits),
                               .dnorms = target_of(dnorms),
                               .write_logits = dlogits.write,
                               .write_norms = dnorms.write});
  });
}

}  // namespace amnet
