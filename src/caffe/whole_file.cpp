#include "whole_file.h"
#include "io/posix_file.h"

#include <amnet/core/error.h>

#include <algorithm>
#include <array>
#include <limits>
#include <span>

namespace amnet::caffe {
namespace {

/// Whether these are the first bytes of an HDF5 file.
bool is_hdf5(std::span<const std::byte> bytes) {
  constexpr std::array<unsigned char, 8> signature = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1A, '\n'};
  return bytes.size() >= signature.size() && std::ranges::equal(std::as_bytes(std::span(signature)), bytes.first(signature.size()));
}

}  // namespace

std::size_t first_control(std::string_view text) {
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < ' ' && !(c >= '\t' && c <= '\r'); };
  const auto found = std::ranges::find_if(text, is_control);
  return found == text.end() ? std::string_view::npos : static_cast<std::size_t>(found - text.begin());
}

std::vector<std::byte> read_binary(const std::filesystem::path& path, std::string_view what) {
  // of any protocol buffer
  constexpr std::uint64_t largest = std::numeric_limits<std::int32_t>::max();
  InputFile file(path);
  require<DataError>(file.size() > 0, "{}: expected {} but the file is empty.", path.string(), what);
  require<DataError>(file.size() <= largest, "{}: expected {} but the file has {} bytes, and a protocol buffer at most {}.", path.string(),
                     what, file.size(), largest);
  std::vector<std::byte> bytes(static_cast<std::size_t>(file.size()));
  file.read(bytes);
  // Those of Caffe's have control characters among the heads of their fields.
  const bool is_text = first_control({reinterpret_cast<const char*>(bytes.data()), bytes.size()}) == std::string_view::npos;
  require<DataError>(!is_text, "{}: expected {} but it is a text, as a prototxt is.", path.string(), what);
  require<DataError>(!is_hdf5(bytes), "{}: expected {} but it is an HDF5 file; save it again with `snapshot_format: BINARYPROTO`.",
                     path.string(), what);
  return bytes;
}

}  // namespace amnet::caffe
