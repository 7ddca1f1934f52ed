// Names that a reader may have meant.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace amnet::caffe {

/// "a, b, c": the names, those that are most like `written` first, at most a dozen of them; "…"
/// stands for the others.
std::string nearest_names(std::string_view written, std::vector<std::string> names);

}  // namespace amnet::caffe
