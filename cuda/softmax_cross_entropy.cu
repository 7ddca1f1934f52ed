// A row of logits, with up to hundreds of thousands of elements, is read once in each direction.
// Few long rows are divided among more blocks than there are rows; the results of a row's blocks
// are combined in their order.
#include <amnet/kernels/softmax_cross_entropy.h>

#include "elementwise.h"
#include "kernels/arguments.h"

#include <cmath>
#include <limits>

namespace amnet {
namespace {

constexpr std::string_view who = "softmax_cross_entropy";
constexpr float lowest = std::numeric_limits<float>::lowest(), nothing = -std::numeric_limits<float>::infinity();
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

void check_arguments(const Tensor& matrix, const Tensor& labels, const Tensor& sample_scale, const LossRows& rows) {
  check_softmax_cross_entropy(matrix, labels, sample_scale, rows);
  require(matrix.extent(1) <= std::numeric_limits<int>::max() / 2, "[softmax_cross_entropy] expected fewer than 2^30 classes but got {}.",
          matrix.extent(1));
}

/// The logits of a batch, and the values that turn them into z.
struct Logits {
  const float* values;  // (N,classes)
  std::int64_t rows;
  int classes;
  const std::int64_t* labels;
  const float* scales;  // one for each row, or nullptr
  float scale, margin;
  MarginRule rule;
  const float* weights;  // one for each row, or nullptr
  bool ignores;          // rows whose label is `ignored`
  std::int64_t ignored;

  AMNET_DEVICE const float* row(std::int64_t i) const { return values + i * classes; }
  AMNET_DEVICE float scale_of(std::int64_t i) const { return scales != nullptr ? scales[i] : scale; }
  /// 0 for a row that does not count.
  AMNET_DEVICE float weight_of(std::int64_t i) const {
    if (ignores && labels[i] == ignored) return 0;
    return weights != nullptr ? weights[i] : 1;
  }
  /// -1 for a label that is not a class.
  AMNET_DEVICE int label_of(std::int64_t i) const {
    const std::int64_t label = labels[i];
    return label >= 0 && label < classes ? static_cast<int>(label) : -1;
  }
  /// z: the same in all kernels, so that the largest of a row also gives exp(0) in its gradient.
  AMNET_DEVICE float z_of(float cosine, bool is_target, float scale_of_row) const {
    return rounded_product(scale_of_row, is_target ? less_margin(cosine) : cosine);
  }
  /// The target's cosine minus the margin.
  AMNET_DEVICE float less_margin(float cosine) const { return rule == MarginRule::always || cosine > margin ? cosine - margin : cosine; }
};

/// How the rows are divided among blocks: a block has `width` classes of one row.
struct RowParts {
  static constexpr int threads = 256;
  static constexpr int group = 4;  // elements that a thread processes at a time
  int width, parts;
  bool packed;  // rows begin at multiples of 16 bytes

  RowParts(Cuda& cuda, std::int64_t rows, std::int64_t classes, bool whole_rows, std::initializer_list<Tensor> matrices) {
    const std::int64_t wanted = std::int64_t{cuda.state().multiprocessors} * (2048 / threads) / std::max<std::int64_t>(1, rows);
    const std::int64_t most = whole_rows ? 1 : std::max<std::int64_t>(1, classes / (2 * threads * group));
    const std::int64_t about = std::clamp<std::int64_t>(wanted, 1, most);
    const std::int64_t of_part = ((classes + about - 1) / about + group - 1) / group * group;
    width = static_cast<int>(std::max<std::int64_t>(of_part, group));
    parts = static_cast<int>(std::max<std::int64_t>(1, (classes + width - 1) / width));
    packed = classes % group == 0 && std::ranges::all_of(matrices, [](const Tensor& matrix) { return starts_a_pack(matrix); });
  }

  AMNET_DEVICE std::int64_t row_of(std::int64_t block) const { return static_cast<int>(block) / parts; }

  /// Elements that a thread processes together: neighbours where rows are packed, else at a
  /// distance of one block's number of threads.
  struct Group {
    int first, step, end;
    AMNET_DEVICE int at(int e) const { return first + e * step; }
    AMNET_DEVICE bool holds(int e) const { return at(e) < end; }
    /// `outside` is used where the row's part has no element.
    AMNET_DEVICE void load(const float* row, float (&values)[group], float outside) const {
      if (step == 1) {
        const Pack<float> pack = load_pack(row + first);
        for (int e = 0; e < group; ++e) values[e] = pack.elements[e];
      } else {
        for (int e = 0; e < group; ++e) values[e] = holds(e) ? row[at(e)] : outside;
      }
    }
    AMNET_DEVICE void store(float* row, const float (&values)[group], Write write) const {
      if (step == 1) {
        Pack<float> pack{};
        if (write == Write::add) pack = load_pack(row + first);
        for (int e = 0; e < group; ++e) put(pack.elements[e], values[e], write);
        store_pack(row + first, pack);
      } else {
        for (int e = 0; e < group; ++e) {
          if (holds(e)) put(row[at(e)], values[e], write);
        }
      }
    }
  };

  /// Calls body(group) for every group of the block's part that belongs to this thread.
  template <class Body>
  AMNET_DEVICE void for_groups(const Thread& thread, int classes, Body&& body) const {
    const int begin = static_cast<int>(thread.block()) % parts * width;
    const int end = begin + width < classes ? begin + width : classes;
    const int first = begin + thread.index() * (packed ? group : 1);
    for (int i = first; i < end; i += threads * group) body(Group{i, packed ? 1 : threads, end});
  }
};

/// The largest z of a part of a row, and the sum of exp(z - largest).
struct Normaliser {
  double sum;
  float largest;
};

struct Normalise {
  static constexpr int threads = RowParts::threads;
  struct Shared {
    float largest[threads / warp_size];
    double sums[threads / warp_size];
  };
  Logits logits;
  RowParts row_parts;
  Normaliser* out;  // (N, parts)

  AMNET_DEVICE void operator()(const Thread& thread) const {
    Shared& shared = thread.shared<Shared>();
    const std::int64_t row = row_parts.row_of(thread.block());
    const float scale = logits.scale_of(row);
    const int label = logits.label_of(row);
    float largest = lowest, sum = 0;
    row_parts.for_groups(thread, logits.classes, [&](const RowParts::Group& group) {
      float z[RowParts::group];
      group.load(logits.row(row), z, 0);
      float most = largest;
      for (int e = 0; e < RowParts::group; ++e) {
        z[e] = group.holds(e) ? logits.z_of(z[e], group.at(e) == label, scale) : nothing;
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

/// One block: combines the parts of every row, and the losses of all rows.
struct MeanLoss {
  static constexpr int threads = 128;
  struct Shared {
    double sums[threads / warp_size], weights[threads / warp_size];
  };
  Logits logits;
  const Normaliser* normalisers;  // (N, parts)
  int parts;
  double largest_loss;  // of a row
  double divisor;       // negative: the sum of the weights
  float *out, *loss;    // (N,2) and (1)
  float* divisor_out;   // (1), or nullptr

  AMNET_DEVICE void operator()(const Thread& thread) const {
    Shared& shared = thread.shared<Shared>();
    double losses = 0, weights = 0;
    for (std::int64_t row = thread.index(); row < logits.rows; row += threads) {
      Normaliser all = normalisers[row * parts];
      for (int part = 1; part < parts; ++part) {
        const Normaliser next = normalisers[row * parts + part];
        const float largest = all.largest < next.largest ? next.largest : all.largest;
        all = {
            .sum = all.sum * exp(static_cast<double>(all.largest - largest)) + next.sum * exp(static_cast<double>(next.largest - largest)),
            .largest = largest};
      }
      out[2 * row] = all.largest;
      out[2 * row + 1] = static_cast<float>(all.sum);
      const int label = logits.label_of(row);
      const float target = label < 0 ? not_a_number : logits.z_of(logits.row(row)[label], true, logits.scale_of(row));
      const double of_row = log(all.sum) + (static_cast<double>(all.largest) - static_cast<double>(target));
      const auto weight = static_cast<double>(logits.weight_of(row));
      weights += weight;
      if (weight != 0) losses += weight * (of_row > largest_loss ? largest_loss : of_row);
    }
    losses = block_sum(thread, losses, shared.sums);
    weights = block_sum(thread, weights, shared.weights);
    if (thread.index() == 0) {
      const double wanted = divisor < 0 ? weights : divisor, by = wanted > 1 ? wanted : 1;
      *loss = static_cast<float>(losses / by);
      if (divisor_out != nullptr) *divisor_out = static_cast<float>(by);
    }
  }
};

/// dlogits, and dsample_scale where a row is not divided.
struct Differentiate {
  static constexpr int threads = RowParts::threads;
  struct Shared {
    double sums[threads / warp_size];
  };
  Logits logits;
  RowParts row_parts;
  const float *normalisers, *dloss;  // (N,2) and (1)
  const float* divisor;              // (1), or nullptr for the number of rows
  float *dlogits, *dscales;          // or nullptr
  Write write_logits, write_scales;

  AMNET_DEVICE void operator()(const Thread& thread) const {
    const std::int64_t row = row_parts.row_of(thread.block());
    const float scale = logits.scale_of(row);
    const int label = logits.label_of(row);
    const float largest = normalisers[2 * row], inverse = 1 / normalisers[2 * row + 1];
    const float weight = logits.weight_of(row);
    const float share = *dloss / (divisor != nullptr ? *divisor : static_cast<float>(logits.rows)) * weight;
    const float factor = share * scale;
    // sum_j p_j z_j - z_y divided by the scale: the target's cosine is subtracted from each cosine,
    // so that nearly equal terms cancel exactly, and the target's own term is zero.
    float target = 0, along = 0;
    if (dscales != nullptr) {
      if (label >= 0) target = logits.less_margin(logits.row(row)[label]);
      thread.barrier();  // the gradient may be written over it
    }
    row_parts.for_groups(thread, logits.classes, [&](const RowParts::Group& group) {
      float values[RowParts::group];
      group.load(logits.row(row), values, 0);
      for (int e = 0; e < RowParts::group; ++e) {
        const bool is_target = group.at(e) == label;
        const float cosine = values[e];
        const float probability = inverse * expf(logits.z_of(cosine, is_target, scale) - largest);
        if (!is_target && group.holds(e)) along += probability * (cosine - target);
        values[e] = weight != 0 ? factor * (is_target ? probability - 1 : probability) : 0;
      }
      if (dlogits != nullptr) group.store(dlogits + row * logits.classes, values, write_logits);
    });
    if (dscales == nullptr) return;
    const double sum = block_sum(thread, static_cast<double>(along), thread.shared<Shared>().sums);
    if (thread.index() == 0) put(dscales[row], weight != 0 ? share * static_cast<float>(sum) : 0, write_scales);
  }
};

struct Scale {
  static constexpr int threads = RowParts::threads;
  Logits logits;
  RowParts row_parts;
  float* out;

  AMNET_DEVICE void operator()(const Thread& thread) const {
    const std::int64_t row = row_parts.row_of(thread.block());
    const float scale = logits.scale_of(row);
    const int label = logits.label_of(row);
    row_parts.for_groups(thread, logits.classes, [&](const RowParts::Group& group) {
      float values[RowParts::group];
      group.load(logits.row(row), values, 0);
      for (int e = 0; e < RowParts::group; ++e) values[e] = logits.z_of(values[e], group.at(e) == label, scale);
      group.store(out + row * logits.classes, values, Write::assign);
    });
  }
};

Logits logits_of(const MarginOptions& options, const Tensor& matrix, const Tensor& labels, const Tensor& sample_scale,
                 const LossRows& rows = {}) {
  check_arguments(matrix, labels, sample_scale, rows);
  return {.values = elements<const float>(matrix, who),
          .rows = matrix.extent(0),
          .classes = static_cast<int>(matrix.extent(1)),
          .labels = elements<const std::int64_t>(labels, who),
          .scales = elements_or_null<const float>(sample_scale, who),
          .scale = static_cast<float>(options.scale),
          .margin = static_cast<float>(options.margin),
          .rule = options.rule,
          .weights = elements_or_null<const float>(rows.weights, who),
          .ignores = rows.ignore_label.has_value(),
          .ignored = rows.ignore_label.value_or(0)};
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

void margin_logits(Cuda& cuda, const MarginOptions& options, const Tensor& cosines, const Tensor& labels, const Tensor& sample_scale,
                   const Tensor& scaled) {
  const Logits logits = logits_of(options, cosines, labels, sample_scale);
  const RowParts parts(cuda, logits.rows, logits.classes, false, {cosines, scaled});
  launch(cuda, logits.rows * parts.parts, Scale{logits, parts, elements<float>(scaled, who)});
}

void softmax_cross_entropy_forward(Cuda& cuda, const MarginOptions& options, const Tensor& matrix, const Tensor& labels,
                                   const Tensor& sample_scale, const Tensor& normalisers, const Tensor& loss, const LossRows& rows) {
  const Logits logits = logits_of(options, matrix, labels, sample_scale, rows);
  const RowParts parts(cuda, logits.rows, logits.classes, false, {matrix});
  const std::int64_t blocks = logits.rows * parts.parts;
  Normaliser* const found = cuda.state().scratch_of<Normaliser>(blocks);
  launch(cuda, blocks, Normalise{logits, parts, found});
  launch(cuda, 1,
         MeanLoss{.logits = logits,
                  .normalisers = found,
                  .parts = parts.parts,
                  .largest_loss = rows.probability_floor > 0 ? -std::log(rows.probability_floor) : std::numeric_limits<double>::infinity(),
                  .divisor = divisor_of(rows, logits.rows),
                  .out = elements<float>(normalisers, who),
                  .loss = elements<float>(loss, who),
                  .divisor_out = elements_or_null<float>(rows.divisor, who)});
}

void softmax_cross_entropy_backward(Cuda& cuda, const MarginOptions& options, const Tensor& matrix, const Tensor& labels,
                                    const Tensor& sample_scale, const Tensor& normalisers, const Tensor& dloss, const Gradient& dlogits,
                                    const Gradient& dsample_scale, const LossRows& rows) {
  if (!dlogits && !dsample_scale) return;
  const Logits logits = logits_of(options, matrix, labels, sample_scale, rows);
  // Where the scale's gradient is needed, one block computes a row's sum: the sum needs the
  // target's logit, which another block might have overwritten.
  const RowParts parts(cuda, logits.rows, logits.classes, static_cast<bool>(dsample_scale), {matrix, dlogits ? dlogits.tensor : matrix});
  launch(cuda, logits.rows * parts.parts,
         Differentiate{.logits = logits,
                       .row_parts = parts,
                       .normalisers = elements<const float>(normalisers, who),
                       .dloss = elements<const float>(dloss, who),
                       .divisor = elements_or_null<const float>(rows.divisor, who),
                       .dlogits = target_of(dlogits),
                       .dscales = target_of(dsample_scale),
                       .write_logits = dlogits.write,
                       .write_scales = dsample_scale.write});
}

}  // namespace amnet
