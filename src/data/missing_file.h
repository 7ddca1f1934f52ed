// The hint for a file that is not under the root where a list names it.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace amnet {

/// Empty when the file is there, else how the path seems to be meant ("; there is `ann/01.png`"),
/// or general advice. Checks for a few files but lists no folder: when bad images are skipped, it
/// is called for each of them.
std::string missing_file_hint(const std::filesystem::path& root, std::string_view path);

/// The path of a file under the root that differs from `path` in the case of letters or in the
/// ending; empty when there is none. Lists the folders on the way.
std::string file_alike(const std::filesystem::path& root, std::string_view path);

}  // namespace amnet
