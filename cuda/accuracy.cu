#include <amnet/kernels/accuracy.h>

#include <limits>

#include "kernel.h"
#include "kernels/arguments.h"

namespace amnet {
namespace {

constexpr std::string_view who = "accuracy";
constexpr float minus_infinity = -std::numeric_limits<float>::infinity();

/// verdicts(i) = 1 if fewer than k classes are better than the target of sample i, 0 if not, -1 if
/// the sample is not counted. Of logits, better is a later class with one at least as large, or an
/// earlier class with a larger one. As on the CPU, a target of minus infinity is never right. One
/// block handles one sample.
struct Judge {
  static constexpr int threads = 256;
  struct Shared {
    int sums[threads / warp_size];
  };
  const float* logits;         // (N, columns)
  const std::int64_t* labels;  // (N)
  const float* weights;        // (N), or nullptr
  int* verdicts;               // (N)
  std::int64_t columns, centres, top_k;
  bool ignores;  // samples with the label `ignored`
  std::int64_t ignored;
  float sign;  // -1 for distances

  AMNET_DEVICE void operator()(const Thread& thread) const {
    const std::int64_t sample = thread.block(), label = labels[sample];
    const float* row = logits + sample * columns;
    // A label out of range is refused before the launch; even so it must not cause a read outside
    // the row.
    const std::int64_t own = label >= 0 && label < columns / centres ? label * centres : -centres;
    float target = own >= 0 ? sign * row[own] : minus_infinity;
    for (std::int64_t k = own + 1; own >= 0 && k < own + centres; ++k) target = sign * row[k] > target ? sign * row[k] : target;
    int better = 0;
    for (std::int64_t c = thread.index(); c < columns; c += threads) {
      const float other = sign * row[c];
      const bool wins_ties = sign < 0 ? c < own : c >= own + centres;
      if (other > target || (other == target && wins_ties)) ++better;
    }
    better = block_sum(thread, better, thread.shared<Shared>().sums);
    if (thread.index() != 0) return;
    const bool counts = !(ignores && label == ignored) && (weights == nullptr || weights[sample] != 0);
    verdicts[sample] = !counts ? -1 : target > minus_infinity && better < top_k ? 1 : 0;
  }
};

/// The share of right samples: block 0 of all, the others of one class each.
struct Share {
  static constexpr int threads = 256;
  struct Shared {
    int right[threads / warp_size], counted[threads / warp_size];
  };
  const int* verdicts;         // (N)
  const std::int64_t* labels;  // (N)
  std::int64_t samples;
  float *accuracy, *per_class;  // (1) and (classes)

  AMNET_DEVICE void operator()(const Thread& thread) const {
    Shared& shared = thread.shared<Shared>();
    const std::int64_t wanted = thread.block() - 1;
    int right = 0, counted = 0;
    for (std::int64_t i = thread.index(); i < samples; i += threads) {
      if (verdicts[i] < 0 || (wanted >= 0 && labels[i] != wanted)) continue;
      right += verdicts[i];
      ++counted;
    }
    right = block_sum(thread, right, shared.right);
    counted = block_sum(thread, counted, shared.counted);
    if (thread.index() != 0) return;
    const auto share = static_cast<float>(static_cast<double>(right) / static_cast<double>(counted > 0 ? counted : 1));
    if (wanted < 0) {
      *accuracy = share;
    } else {
      per_class[wanted] = share;
    }
  }
};

}  // namespace

void accuracy_forward(Cuda& cuda, const Tensor& logits, const Tensor& labels, const Tensor& accuracy, const AccuracyRule& rule) {
  check_accuracy(logits, labels, rule);
  const std::int64_t samples = logits.extent(0), classes = logits.extent(1) / rule.centres;
  int* verdicts = cuda.state().scratch_of<int>(samples);
  launch(cuda, samples,
         Judge{.logits = elements<const float>(logits, who),
               .labels = elements<const std::int64_t>(labels, who),
               .weights = elements_or_null<const float>(rule.weights, who),
               .verdicts = verdicts,
               .columns = logits.extent(1),
               .centres = rule.centres,
               .top_k = rule.top_k,
               .ignores = rule.ignore_label.has_value(),
               .ignored = rule.ignore_label.value_or(0),
               .sign = rule.min_is_better ? -1.0F : 1.0F});
  float* const per_class = elements_or_null<float>(rule.per_class, who);
  launch(cuda, 1 + (per_class != nullptr ? classes : 0),
         Share{.verdicts = verdicts,
               .labels = elements<const std::int64_t>(labels, who),
               .samples = samples,
               .accuracy = elements<float>(accuracy, who),
               .per_class = per_class});
}

}  // namespace amnet
