// Labels are checked on the host before any kernel reads them: an index out of range would read or
// write somebody else's memory.
//
//   check_labels(labels, 64, 902, "loss");   // 64 labels, each in [0, 902)
#pragma once

#include <amnet/core/tensor.h>

#include <string_view>

namespace amnet {

/// Throws DataError naming the first sample whose label is not in [0, classes), and UsageError
/// unless labels are i64 (N). Labels on a GPU are checked for type and number alone: whoever brings
/// their values there checks them before. `who` stands in front of the message: a layer's name.
void check_labels(const Tensor& labels, std::int64_t samples, std::int64_t classes, std::string_view who);

}  // namespace amnet
