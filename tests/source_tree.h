// For tests that read the project's own sources.
#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace source_tree {

inline const std::filesystem::path root = AMNET_SOURCE_DIR;

/// "" where there is no such file.
inline std::string text_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace source_tree
