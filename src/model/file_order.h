// The order in which files hold a parameter: that of other programs where they all have one
// (layers/layer.h, ParameterLayout).
#pragma once

#include <amnet/layers/layer.h>

namespace amnet {

/// The extents of a parameter in files.
Shape file_shape(const Parameter& parameter);
/// Values of a parameter, or of its gradient or momentum, in the order of files, and back. On the
/// host.
Tensor in_file_order(const Parameter& parameter, const Tensor& values);
Tensor from_file_order(const Parameter& parameter, const Tensor& stored);

}  // namespace amnet
