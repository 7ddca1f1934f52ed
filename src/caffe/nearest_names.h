// Names that a reader may have meant.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace amnet::caffe {

/// "a, b, c and others": the names, those that are most like `written` first, at most a dozen.
std::string nearest_names(std::string_view written, std::vector<std::string> names);

}  // namespace amnet::caffe
