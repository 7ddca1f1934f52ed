#include <amnet/kernels/labels.h>

#include <fmt/format.h>

namespace amnet {

void check_labels(const Tensor& labels, std::int64_t samples, std::int64_t classes, std::string_view who,
                  std::optional<std::int64_t> ignored) {
  require(labels.dtype() == DType::i64 && labels.count() == samples, "[{}] expected {} labels of i64 but got {} {}.", who, samples,
          name_of(labels.dtype()), labels.shape());
  if (labels.memory() != Memory::host) return;  // they were checked before they were brought over
  const std::span<const std::int64_t> values = labels.data<const std::int64_t>();
  for (std::size_t sample = 0; sample < values.size(); ++sample) {
    require<DataError>(
        (values[sample] >= 0 && values[sample] < classes) || values[sample] == ignored,
        "[{}] expected labels from 0 to {} but sample {} of the batch has label {}; check the list or the number of classes.", who,
        classes - 1, sample, values[sample]);
  }
}

std::string logits_text(std::int64_t centres) { return centres == 1 ? "(N,classes)" : fmt::format("(N,{} classes)", centres); }

}  // namespace amnet
