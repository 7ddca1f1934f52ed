// MANIFEST.json: which files a checkpoint holds, and how to check that they are unchanged.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace amnet {

inline constexpr std::string_view manifest_name = "MANIFEST.json";

struct ManifestFile {
  std::string name;
  std::uint64_t bytes = 0;
  std::string checksum;  ///< XXH3-128 as 32 hexadecimal digits
};

struct Manifest {
  std::int64_t step = 0;
  std::vector<ManifestFile> files;
};

/// Whether a file of that name stays within its directory and needs no quoting.
bool is_plain_name(std::string_view name);

std::string format_manifest(const Manifest& manifest);
/// Throws DataError, beginning with `file`, for anything but what format_manifest writes, byte for
/// byte: a manifest in which a bit has flipped must not pass because the bit was in white space.
Manifest parse_manifest(std::string_view text, std::string_view file);

/// Throws unless `directory` holds the file with that size and checksum.
void verify_manifest_file(const std::filesystem::path& directory, const ManifestFile& file);

}  // namespace amnet
