// Why a path that was not found may be written wrongly: paths come from lists and command lines of
// other systems.
//
//   require<DataError>(fs::exists(path), "{} is not there{}.", path.string(), path_hint(path.string()));
#pragma once

#include <string>
#include <string_view>

namespace amnet {

/// "; it has backslashes: write `ann/01.jpg`", or one for quotes, a Windows drive, an address such
/// as file://, or a `~`; empty where the text looks correct. Reads no file.
std::string path_hint(std::string_view path);

}  // namespace amnet
