// Labels are checked on the host before any kernel reads them: an index out of range would read or
// write memory outside the tensor.
//
//   check_labels(labels, 64, 902, "loss");   // 64 labels, each in [0, 902)
#pragma once

#include <amnet/core/tensor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace amnet {

/// Throws DataError naming the first sample whose label is not in [0, classes), and UsageError
/// unless labels are i64 (N). Labels on a GPU are checked only for type and number: the code that
/// copies their values there checks them before. `who` is the beginning of the message: a layer's
/// name. The label `ignored`, if there is one, is not a class and is allowed.
void check_labels(const Tensor& labels, std::int64_t samples, std::int64_t classes, std::string_view who,
                  std::optional<std::int64_t> ignored = {});

/// What messages call the logits of classes that have so many centres: "(N,classes)", "(N,3
/// classes)".
std::string logits_text(std::int64_t centres);

}  // namespace amnet
