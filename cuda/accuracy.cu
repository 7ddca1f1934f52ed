#include <amnet/kernels/accuracy.h>

#include <limits>

#include "kernel.h"
#include "kernels/arguments.h"

namespace amnet {
namespace {

constexpr std::string_view who = "accuracy";
constexpr float minus_infinity = -std::numeric_limits<float>::infinity();

/// right(i) = 1 unless another class beats the target of sample i: a later class with a logit at
/// least as large, or an earlier one with a larger logit. As on the CPU, minus infinity never
/// counts as a maximum. One block handles one sample.
struct Judge {
  static constexpr int threads = 256;
  struct Shared {
    int beaten;  // every thread that finds a winner writes the same value
  };
  const float* logits;         // (N, classes)
  const std::int64_t* labels;  // (N)
  int* right;                  // (N)
  std::int64_t classes;

  AMNET_DEVICE void operator()(const Thread& thread) const {
    Shared& shared = thread.shared<Shared>();
    const std::int64_t label = labels[thread.block()];
    const float* row = logits + thread.block() * classes;
    // A label out of range is refused before the launch; even so it must not cause a read outside
    // the row.
    const float target = label >= 0 && label < classes ? row[label] : minus_infinity;
    if (thread.index() == 0) shared.beaten = target > minus_infinity ? 0 : 1;
    thread.barrier();
    bool beaten = false;
    for (std::int64_t c = thread.index(); c < classes; c += threads) {
      if (c < label ? row[c] > target : c > label && row[c] >= target) beaten = true;
    }
    if (beaten) shared.beaten = 1;
    thread.barrier();
    if (thread.index() == 0) right[thread.block()] = 1 - shared.beaten;
  }
};

/// One block.
struct Share {
  static constexpr int threads = 256;
  struct Shared {
    int sums[threads / warp_size];
  };
  const int* right;  // (N)
  std::int64_t samples;
  float* accuracy;  // (1)

  AMNET_DEVICE void operator()(const Thread& thread) const {
    int sum = 0;
    for (std::int64_t i = thread.index(); i < samples; i += threads) sum += right[i];
    sum = block_sum(thread, sum, thread.shared<Shared>().sums);
    if (thread.index() == 0) *accuracy = static_cast<float>(static_cast<double>(sum) / static_cast<double>(samples > 0 ? samples : 1));
  }
};

}  // namespace

void accuracy_forward(Cuda& cuda, const Tensor& logits, const Tensor& labels, const Tensor& accuracy) {
  check_accuracy(logits, labels);
  const std::int64_t samples = logits.extent(0), classes = logits.extent(1);
  int* right = cuda.state().scratch_of<int>(samples);
  launch(cuda, samples, Judge{elements<const float>(logits, who), elements<const std::int64_t>(labels, who), right, classes});
  launch(cuda, 1, Share{right, samples, elements<float>(accuracy, who)});
}

}  // namespace amnet
