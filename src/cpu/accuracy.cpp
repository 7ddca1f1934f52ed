#include <amnet/kernels/accuracy.h>

#include <vector>

#include "kernels/arguments.h"
#include "lanes.h"

namespace amnet {

void accuracy_forward(Cpu& cpu, const Tensor& logits, const Tensor& labels, const Tensor& accuracy) {
  check_accuracy(logits, labels);
  with_float(logits.dtype(), "accuracy", [&]<class T>() {
    const auto [samples, classes] = matrix_of(logits);
    const T* in = logits.data<T>().data();
    const std::int64_t* targets = labels.data<std::int64_t>().data();
    std::vector<unsigned char> right(static_cast<std::size_t>(samples));
    for_rows(cpu, samples, classes, [&, classes = classes](std::int64_t i) {
      const T* row = in + i * classes;
      const std::int64_t label = targets[i];
      const T target = row[label];
      // Right unless another class has a greater logit: one after the target that is at least as
      // large, or a larger one before it.
      const bool beaten = target != target || lane_max(row, label) > target || lane_max(row + label + 1, classes - label - 1) >= target;
      right[static_cast<std::size_t>(i)] = !beaten;
    });
    std::int64_t count = 0;
    for (const unsigned char each : right) count += each;
    accuracy.data<T>()[0] = static_cast<T>(static_cast<double>(count) / static_cast<double>(std::max<std::int64_t>(samples, 1)));
  });
}

}  // namespace amnet
