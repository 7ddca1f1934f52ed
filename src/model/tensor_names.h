// The hint for a file of tensors that does not have a name that a network needs: files of other
// programs have the same names with something before or behind them, such as `module.`.
#pragma once

#include <amnet/io/safetensors.h>

#include <span>
#include <string>

namespace amnet {

/// "it has `module.conv1_1.weight`: its names begin with `module.`, rename them without it", or the
/// name of the file that is most like one of `wanted`, which it does not have. Empty for a file
/// without tensors.
std::string alike_names(const SafetensorsFile& file, std::span<const std::string> wanted);

}  // namespace amnet
