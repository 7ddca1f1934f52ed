// The library speaks of fields of its options structs, as a program writes them: `.learning_rate`.
// Here they are flags.
#pragma once

#include <string>
#include <string_view>

/// The text with every such field replaced by the flag that sets it: "lower .learning_rate."
/// becomes "lower --lr."
std::string with_flags(std::string_view text);
