// How much two names differ, for messages that offer the names that a user may have meant.
#pragma once

#include <cstddef>
#include <string_view>

namespace amnet {

/// Characters to change, insert or remove to make one text of the other (Wagner and Fischer 1974).
/// Takes a.size() * b.size() steps: cut what may be long.
std::size_t edit_distance(std::string_view a, std::string_view b);

}  // namespace amnet
