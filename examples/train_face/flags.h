// Messages of the library name the fields of its options structs, as in source code:
// `.learning_rate`. On this command line the same options are flags.
#pragma once

#include <string>
#include <string_view>

/// The text with every such field replaced by the flag that sets it: "lower .learning_rate."
/// becomes "lower --lr."
std::string with_flags(std::string_view text);
