// What to say of a file that is not under the root where a list says it is.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace amnet {

/// Empty when the file is there, else how the path seems to be meant ("; there is `ann/01.png`"),
/// or a general advice. Looks a few files up but lists no folder: with bad images skipped it is
/// asked for every one of them.
std::string missing_file_hint(const std::filesystem::path& root, std::string_view path);

/// The path of a file under the root that differs from `path` in the case of letters or in the
/// ending; empty when there is none. Lists the folders on the way.
std::string file_alike(const std::filesystem::path& root, std::string_view path);

}  // namespace amnet
