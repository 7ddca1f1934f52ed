// The location of the golden numbers and the real faces: beside the checkout, never inside it.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string_view>

/// $AMNET_SHARED, else `../shared` beside the checkout (AMNET_SOURCE_DIR is set by the build);
/// nothing where it is absent.
inline std::optional<std::filesystem::path> shared_directory() {
  const char* named = std::getenv("AMNET_SHARED");
  std::filesystem::path path = named != nullptr ? named : AMNET_SOURCE_DIR "/../shared";
  if (std::filesystem::is_directory(path)) return path;
  return std::nullopt;
}

/// Reports by name that a test could not run, so that it is visible even when all tests pass.
inline void skip_visibly(std::string_view test) {
  std::printf("SKIPPED %.*s: the shared data directory is absent (set AMNET_SHARED)\n", static_cast<int>(test.size()), test.data());
}
