// Whether amnet has the layers of a net.
#pragma once

#include <amnet/caffe/caffe_file.h>

#include <span>
#include <string_view>

namespace amnet::caffe {

/// Throws DataError with file and line for the first layer whose type is not among the known ones.
void check_layer_types(const CaffeNet& net, std::span<const std::string_view> known);

}  // namespace amnet::caffe
