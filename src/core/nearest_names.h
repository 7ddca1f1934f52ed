// Names in messages: as a file has them, and those that its writer may have meant.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace amnet {

/// A name of a file, which may be damaged and so have any length and any bytes: on one line, cut
/// off with "…" behind `longest` bytes.
std::string shown(std::string_view name, std::size_t longest = 80);

/// "a, b, c and others": the names, those that are most like `written` first, at most a dozen.
std::string nearest_names(std::string_view written, std::vector<std::string> names);

}  // namespace amnet
