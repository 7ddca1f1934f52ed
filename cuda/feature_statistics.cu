#include <amnet/kernels/feature_statistics.h>

#include "kernel.h"

namespace amnet {
namespace {

constexpr std::string_view who = "feature_statistics";

/// A warp for each sample: its cosine and its length.
struct OfEachSample {
  static constexpr int threads = 128;
  const float *features, *class_weights;
  const std::int64_t* labels;
  double* of_samples;  // (N,2)
  std::int64_t samples, size, classes, centres;

  AMNET_DEVICE void operator()(const Thread& thread) const {
    const std::int64_t n = thread.first() / warp_size;
    if (n >= samples) return;
    const std::int64_t label = labels[n];
    // the host has checked the label; an index out of range must not be used
    const bool known = label >= 0 && label < classes;
    const float* feature = features + n * size;
    double length = 0, closest = 0;
    for (std::int64_t k = 0; k < centres; ++k) {
      const float* weight = class_weights + ((known ? label : 0) * centres + k) * size;
      double dot = 0, feature_square = 0, weight_square = 0;
      for (std::int64_t i = thread.index() % warp_size; i < size; i += warp_size) {
        const double x = static_cast<double>(feature[i]), w = static_cast<double>(weight[i]);
        dot += x * w;
        feature_square += x * x;
        weight_square += w * w;
      }
      dot = warp_sum(thread, dot);
      length = sqrt(warp_sum(thread, feature_square));
      const double norms = length * sqrt(warp_sum(thread, weight_square)), cosine = norms > 0 && known ? dot / norms : 0;
      closest = k == 0 || cosine > closest ? cosine : closest;
    }
    if (thread.index() % warp_size != 0) return;
    of_samples[2 * n] = closest;
    of_samples[2 * n + 1] = length;
  }
};

/// One block: the means, summed in an order that depends only on N.
struct MeanOfSamples {
  static constexpr int threads = 256;
  struct Shared {
    double cosines[threads / warp_size], lengths[threads / warp_size];
  };
  const double* of_samples;  // (N,2)
  double* means;             // (2)
  std::int64_t samples;

  AMNET_DEVICE void operator()(const Thread& thread) const {
    double cosine = 0, length = 0;
    for (std::int64_t n = thread.index(); n < samples; n += threads) {
      cosine += of_samples[2 * n];
      length += of_samples[2 * n + 1];
    }
    Shared& shared = thread.shared<Shared>();
    cosine = block_sum(thread, cosine, shared.cosines);
    length = block_sum(thread, length, shared.lengths);
    if (thread.index() != 0) return;
    means[0] = cosine / static_cast<double>(samples);
    means[1] = length / static_cast<double>(samples);
  }
};

}  // namespace

void feature_statistics(Cuda& cuda, const Tensor& features, const Tensor& class_weights, const Tensor& labels, const Tensor& statistics,
                        std::int64_t centres) {
  const std::int64_t samples = features.extent(0), size = features.extent(1);
  require(class_weights.extent(1) == size && labels.count() == samples,
          "[feature_statistics] expected class weights (classes,{}) and {} labels but got {} and {}.", size, samples, class_weights.shape(),
          labels.shape());
  auto* of_samples = cuda.state().scratch_of<double>(2 * samples);
  constexpr std::int64_t samples_of_block = OfEachSample::threads / warp_size;
  launch(cuda, (samples + samples_of_block - 1) / samples_of_block,
         OfEachSample{.features = elements<const float>(features, who),
                      .class_weights = elements<const float>(class_weights, who),
                      .labels = elements<const std::int64_t>(labels, who),
                      .of_samples = of_samples,
                      .samples = samples,
                      .size = size,
                      .classes = class_weights.extent(0) / centres,
                      .centres = centres});
  launch(cuda, 1, MeanOfSamples{.of_samples = of_samples, .means = elements<double>(statistics, who), .samples = samples});
}

}  // namespace amnet
