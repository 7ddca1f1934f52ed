// A row of cosines is read once in each direction, by several blocks where rows are few; sums of
// the blocks are combined in their order.
#include <amnet/kernels/binary_cross_entropy.h>

#include "class_rows.h"
#include "kernels/arguments.h"
#include "kernels/binary_terms.h"

#include <limits>

namespace amnet {
namespace {

constexpr std::string_view who = "binary_cross_entropy";
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

/// The cosines of a batch, and what turns them into z.
struct Cosines {
  ClassRows rows;
  BinaryOptions options;
  const float* bias;  // (1)

  AMNET_DEVICE BinaryTerms<float> terms() const { return {options, *bias}; }
};

/// log(1 + exp(z)).
AMNET_DEVICE float soft_plus(float z) { return (z > 0 ? z : 0) + log1pf(expf(-fabsf(z))); }
/// 1 / (1 + exp(-z)).
AMNET_DEVICE float sigmoid_of(float z) {
  const float small = expf(-fabsf(z));
  return (z < 0 ? small : 1) / (1 + small);
}

/// What each row's target decides.
struct SetTargets {
  static constexpr int threads = 256;
  static constexpr auto name = "SetTargets";
  Cosines cosines;
  MarginRow<float>* out;  // (N)

  AMNET_DEVICE void operator()(const Thread& thread) const {
    const MarginOptions margin{.scale = 1, .margin = 0, .rule = MarginRule::always, .form = cosines.options.form};
    for (std::int64_t i = thread.first(); i < cosines.rows.number; i += thread.step()) {
      MarginRow<float> row{.largest = 0, .sum = 1, .others = 0, .target = 0, .slope = 0, .by_norm = 0, .threshold = 0, .mean = 0};
      if (cosines.rows.label_of(i) >= 0) set_margin(row, margin, MarginStatistics{}, cosines.rows.target_cosine(i), 0.0F);
      out[i] = row;
    }
  }
};

/// The sum over a part of a row, of its negatives.
template <class Rule>
struct SumNegatives {
  static constexpr int threads = RowParts::threads;
  static constexpr auto name = "SumNegatives";
  struct Shared {
    double sums[threads / warp_size];
  };
  Cosines cosines;
  RowParts row_parts;
  const MarginRow<float>* targets;  // (N)
  double* out;                      // (N, parts)

  AMNET_DEVICE void operator()(const Thread& thread) const {
    const std::int64_t row = row_parts.row_of(thread.block());
    const int label = cosines.rows.label_of(row);
    const Rule negative = Rule::of(cosines.options.form, targets[row]);
    const BinaryTerms<float> terms = cosines.terms();
    float sum = 0;
    row_parts.for_groups(thread, cosines.rows.classes, [&](const RowParts::Group& group) {
      float values[RowParts::group];
      cosines.rows.load(row, group, values);
      for (int e = 0; e < RowParts::group; ++e) {
        if (group.holds(e) && group.at(e) != label) sum += soft_plus(terms.of_negative(negative.value(values[e])));
      }
    });
    const double all = block_sum(thread, static_cast<double>(sum), thread.shared<Shared>().sums);
    if (thread.index() == 0) out[thread.block()] = all;
  }
};

/// One block: combines the parts of every row with its target, and the losses of all rows.
struct MeanBinaryLoss {
  static constexpr int threads = 128;
  static constexpr auto name = "MeanBinaryLoss";
  struct Shared {
    double sums[threads / warp_size];
  };
  Cosines cosines;
  const MarginRow<float>* targets;  // (N)
  const double* negatives;          // (N, parts)
  int parts;
  float* loss;  // (1)

  AMNET_DEVICE void operator()(const Thread& thread) const {
    const BinaryTerms<float> terms = cosines.terms();
    const double balance = cosines.options.balance;
    double losses = 0;
    for (std::int64_t row = thread.index(); row < cosines.rows.number; row += threads) {
      double others = 0;
      for (int part = 0; part < parts; ++part) others += negatives[row * parts + part];
      const float own = cosines.rows.label_of(row) < 0 ? not_a_number : soft_plus(-terms.of_target(targets[row].target));
      losses += balance * static_cast<double>(own) + (1 - balance) * others;
    }
    losses = block_sum(thread, losses, thread.shared<Shared>().sums);
    const auto rows = static_cast<double>(cosines.rows.number > 0 ? cosines.rows.number : 1);
    if (thread.index() == 0) *loss = static_cast<float>(cosines.options.factor / cosines.options.scale * losses / rows);
  }
};

/// dcosines, and the sum of dz over a part of a row.
template <class Rule>
struct DifferentiateBinary {
  static constexpr int threads = RowParts::threads;
  static constexpr auto name = "DifferentiateBinary";
  struct Shared {
    double sums[threads / warp_size];
  };
  Cosines cosines;
  RowParts row_parts;
  const MarginRow<float>* targets;  // (N)
  const float* dloss;               // (1)
  float* dcosines;                  // or nullptr
  Write write;
  double* sums;  // (N, parts)

  AMNET_DEVICE void operator()(const Thread& thread) const {
    const std::int64_t row = row_parts.row_of(thread.block());
    const int label = cosines.rows.label_of(row);
    const MarginRow<float> found = targets[row];
    const Rule negative = Rule::of(cosines.options.form, found);
    const BinaryTerms<float> terms = cosines.terms();
    const float share =
        static_cast<float>(cosines.options.factor / cosines.options.scale) * *dloss / static_cast<float>(cosines.rows.number);
    const float of_others = share * static_cast<float>(1 - cosines.options.balance);
    const float of_own = -share * static_cast<float>(cosines.options.balance) * sigmoid_of(-terms.of_target(found.target));
    float sum = 0;
    row_parts.for_groups(thread, cosines.rows.classes, [&](const RowParts::Group& group) {
      float values[RowParts::group];
      cosines.rows.load(row, group, values);
      for (int e = 0; e < RowParts::group; ++e) {
        const bool is_target = group.at(e) == label;
        const float c = values[e], moved = negative.value(c);
        const float dz = is_target ? of_own : of_others * sigmoid_of(terms.of_negative(moved));
        if (group.holds(e)) sum += dz;
        values[e] = dz * (is_target ? terms.slope(found.target) * found.slope : terms.slope(moved) * negative.slope(c));
      }
      if (dcosines != nullptr) cosines.rows.store(row, group, values, dcosines, write);
    });
    const double all = block_sum(thread, static_cast<double>(sum), thread.shared<Shared>().sums);
    if (thread.index() == 0) sums[thread.block()] = all;
  }
};

/// One block: dbias.
struct SumBias {
  static constexpr int threads = 256;
  static constexpr auto name = "SumBias";
  struct Shared {
    double sums[threads / warp_size];
  };
  const double* sums;
  std::int64_t count;
  float* dbias;  // (1)
  Write write;

  AMNET_DEVICE void operator()(const Thread& thread) const {
    double sum = 0;
    for (std::int64_t i = thread.index(); i < count; i += threads) sum += sums[i];
    sum = block_sum(thread, sum, thread.shared<Shared>().sums);
    if (thread.index() == 0) put(*dbias, static_cast<float>(sum), write);
  }
};

template <class Rule>
struct BinaryScale {
  static constexpr int threads = RowParts::threads;
  static constexpr auto name = "BinaryScale";
  Cosines cosines;
  RowParts row_parts;
  const MarginRow<float>* targets;  // (N)
  float* out;                       // (N, classes)

  AMNET_DEVICE void operator()(const Thread& thread) const {
    const std::int64_t row = row_parts.row_of(thread.block());
    const int label = cosines.rows.label_of(row);
    const Rule negative = Rule::of(cosines.options.form, targets[row]);
    const BinaryTerms<float> terms = cosines.terms();
    row_parts.for_groups(thread, cosines.rows.classes, [&](const RowParts::Group& group) {
      float values[RowParts::group];
      cosines.rows.load(row, group, values);
      for (int e = 0; e < RowParts::group; ++e)
        values[e] = group.at(e) == label ? terms.of_target(targets[row].target) : terms.of_negative(negative.value(values[e]));
      group.store(out + row * cosines.rows.classes, values, Write::assign);
    });
  }
};

Cosines cosines_of(const BinaryOptions& options, const Tensor& matrix, const Tensor& labels, const Tensor& bias) {
  check_binary_cross_entropy(options, matrix, labels, bias);
  return {.rows = ClassRows(matrix, labels, options.form.centres, who), .options = options, .bias = elements<const float>(bias, who)};
}

void find_targets(Cuda& cuda, const Cosines& cosines, MarginRow<float>* out) {
  launch(cuda, blocks_for(cuda, cosines.rows.number, SetTargets::threads), SetTargets{cosines, out});
}

}  // namespace

void binary_logits(Cuda& cuda, const BinaryOptions& options, const Tensor& matrix, const Tensor& labels, const Tensor& bias,
                   const Tensor& z) {
  const Cosines cosines = cosines_of(options, matrix, labels, bias);
  auto* const targets = cuda.state().scratch_of<MarginRow<float>>(cosines.rows.number);
  find_targets(cuda, cosines, targets);
  const RowParts parts(cuda, cosines.rows, false, {matrix, z});
  with_negative_rule<float>(options.form, [&]<class Rule>() {
    launch(cuda, cosines.rows.number * parts.parts, BinaryScale<Rule>{cosines, parts, targets, elements<float>(z, who)});
  });
}

void binary_cross_entropy_forward(Cuda& cuda, const BinaryOptions& options, const Tensor& matrix, const Tensor& labels, const Tensor& bias,
                                  const Tensor& row_values, const Tensor& loss) {
  const Cosines cosines = cosines_of(options, matrix, labels, bias);
  check_row_values(row_values, matrix, who);
  MarginRow<float>* const targets = margin_rows_of(row_values, who);
  find_targets(cuda, cosines, targets);
  const RowParts parts(cuda, cosines.rows, false, {matrix});
  const std::int64_t blocks = cosines.rows.number * parts.parts;
  auto* const sums = cuda.state().scratch_of<double>(blocks);
  with_negative_rule<float>(options.form, [&]<class Rule>() { launch(cuda, blocks, SumNegatives<Rule>{cosines, parts, targets, sums}); });
  launch(cuda, 1, MeanBinaryLoss{cosines, targets, sums, parts.parts, elements<float>(loss, who)});
}

void binary_cross_entropy_backward(Cuda& cuda, const BinaryOptions& options, const Tensor& matrix, const Tensor& labels, const Tensor& bias,
                                   const Tensor& row_values, const Tensor& dloss, const Gradient& dcosines, const Gradient& dbias) {
  if (!dcosines && !dbias) return;
  const Cosines cosines = cosines_of(options, matrix, labels, bias);
  const RowParts parts(cuda, cosines.rows, false, {matrix, dcosines ? dcosines.tensor : matrix});
  const std::int64_t blocks = cosines.rows.number * parts.parts;
  auto* const sums = cuda.state().scratch_of<double>(blocks);
  with_negative_rule<float>(options.form, [&]<class Rule>() {
    launch(cuda, blocks,
           DifferentiateBinary<Rule>{.cosines = cosines,
                                     .row_parts = parts,
                                     .targets = margin_rows_of(row_values, who),
                                     .dloss = elements<const float>(dloss, who),
                                     .dcosines = dcosines ? elements<float>(dcosines.tensor, who) : nullptr,
                                     .write = dcosines.write,
                                     .sums = sums});
  });
  if (dbias) launch(cuda, 1, SumBias{sums, blocks, elements<float>(dbias.tensor, who), dbias.write});
}

}  // namespace amnet
