// A file of Caffe's in memory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace amnet::caffe {

/// Whether these are the first bytes of an HDF5 file.
bool is_hdf5(std::span<const std::byte> bytes);

/// The bytes of a binary file. Throws FileError where it cannot be read, DataError where it is
/// empty, an HDF5 file, or larger than a protocol buffer can be. `what` names what is expected: "a
/// caffemodel".
std::vector<std::byte> read_binary(const std::filesystem::path& path, std::string_view what);

/// The largest prototxt that is read, in bytes: the text of a net has some ten thousand.
inline constexpr std::uint64_t prototxt_limit = std::uint64_t{16} << 20;

/// The text of a prototxt. Throws as read_binary does.
std::string read_text(const std::filesystem::path& path);

}  // namespace amnet::caffe
