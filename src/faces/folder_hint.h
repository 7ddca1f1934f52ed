// The hint for a folder whose sub-folders are not the people: mostly the root is one level too high
// or too low.
#pragma once

#include <filesystem>
#include <string>

namespace amnet {

/// "its sub-folder `train` holds the folders of people: pass .root faces/train", or the like for a
/// root too low; empty where two or more sub-folders hold images, or where no folder near it would
/// fit. Looks at a bounded number of entries, and throws nothing.
std::string folder_hint(const std::filesystem::path& root);

}  // namespace amnet
