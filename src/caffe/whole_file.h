// What tells the kinds of files apart, before one of them is read: binary files of Caffe's, and
// text.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string_view>
#include <vector>

namespace amnet::caffe {

/// Where the first control character is that no text has (all below a blank but those that separate
/// words and lines); npos where there is none.
std::size_t first_control(std::string_view text);

/// The bytes of a binary file. Throws FileError where it cannot be read, DataError where it is
/// empty, a text, an HDF5 file, or larger than a protocol buffer can be. `what` names what is
/// expected: "a caffemodel".
std::vector<std::byte> read_binary(const std::filesystem::path& path, std::string_view what);

}  // namespace amnet::caffe
