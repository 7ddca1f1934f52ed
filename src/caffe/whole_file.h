// A binary file of Caffe's in memory.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string_view>
#include <vector>

namespace amnet::caffe {

/// The bytes of the file. Throws FileError where it cannot be read, DataError where it is empty, an
/// HDF5 file, or larger than a protocol buffer can be. `what` names what is expected: "a
/// caffemodel".
std::vector<std::byte> read_binary(const std::filesystem::path& path, std::string_view what);

}  // namespace amnet::caffe
