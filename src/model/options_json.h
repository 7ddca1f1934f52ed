// Options as JSON, and back.
#pragma once

#include "io/json.h"

#include <amnet/core/options.h>

#include <functional>
#include <string>
#include <string_view>

namespace amnet {

/// `where` names their owner in messages. Throws UsageError for a number that is not finite, and
/// for more than 16 levels.
Json json_of(const Options& options, const std::string& where);

/// Throws: "layer 'conv1': 'kernel'" is not "an integer of 64 bits".
using RefuseOption = std::function<void(const std::string& where, std::string_view expected)>;
/// Calls `refuse`, which throws, for a value that is not an option.
Options options_of_json(const Json& json, const std::string& where, const RefuseOption& refuse);

/// The number. Throws UsageError that names `where` unless it is finite.
double finite(double value, const std::string& where);
/// Whether it is a number that fits into 64 bits with a sign.
bool is_integer(const Json& json);

}  // namespace amnet
