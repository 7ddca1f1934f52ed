// What differs between two configurations of a run.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace amnet {

/// Of lines `key = value`, and can change what is learned: a sentence for each.
std::vector<std::string> changed_settings(std::string_view before, std::string_view now);

}  // namespace amnet
