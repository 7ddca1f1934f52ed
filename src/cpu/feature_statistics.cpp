#include <amnet/kernels/feature_statistics.h>

#include <cmath>

namespace amnet {

void feature_statistics(Cpu&, const Tensor& features, const Tensor& class_weights, const Tensor& labels, const Tensor& statistics,
                        std::int64_t centres) {
  const std::int64_t samples = features.extent(0);
  const std::int64_t size = features.extent(1);
  double cosines = 0, lengths = 0;
  with_float(features.dtype(), "feature_statistics", [&]<class T>() {
    const T* x = features.data<T>().data();
    const T* w = class_weights.data<T>().data();
    const std::span<std::int64_t> classes = labels.data<std::int64_t>();
    for (std::int64_t n = 0; n < samples; ++n) {
      const T* feature = x + n * size;
      double length = 0, closest = -1;
      for (std::int64_t k = 0; k < centres; ++k) {
        const T* weight = w + (classes[static_cast<std::size_t>(n)] * centres + k) * size;
        double dot = 0, feature_square = 0, weight_square = 0;
        for (std::int64_t i = 0; i < size; ++i) {
          dot += double{feature[i]} * double{weight[i]};
          feature_square += double{feature[i]} * double{feature[i]};
          weight_square += double{weight[i]} * double{weight[i]};
        }
        length = std::sqrt(feature_square);
        const double norms = length * std::sqrt(weight_square), cosine = norms > 0 ? dot / norms : 0;
        closest = k == 0 || cosine > closest ? cosine : closest;
      }
      cosines += closest;
      lengths += length;
    }
  });
  const std::span<double> means = statistics.data<double>();
  means[0] = cosines / static_cast<double>(samples);
  means[1] = lengths / static_cast<double>(samples);
}

}  // namespace amnet
