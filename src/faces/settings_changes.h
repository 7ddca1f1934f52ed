// What differs between two configurations of a run.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace amnet {

/// Compares lines `key = value`: a sentence for each setting that differs and can change what is
/// learned.
std::vector<std::string> changed_settings(std::string_view before, std::string_view now);

}  // namespace amnet
