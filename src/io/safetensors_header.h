// The JSON header of a safetensors file, checked against all rules of the format.
#pragma once

#include <amnet/io/safetensors.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace amnet {

struct SafetensorsEntry {
  std::string name;
  DType dtype = DType::f32;
  Shape shape;
  std::uint64_t begin = 0;  ///< in bytes from the end of the header
  std::uint64_t end = 0;
  /// why a Tensor cannot hold it, as a whole sentence; empty where it can
  std::string unread = {};
  // As the file states them, also of one that a Tensor cannot hold; not written.
  std::string stored_dtype = {};
  std::vector<std::uint64_t> stored_shape = {};
};

struct SafetensorsHeader {
  Metadata metadata;
  std::vector<SafetensorsEntry> entries;  ///< in the order of their bytes, without gap or overlap
};

inline constexpr std::string_view safetensors_metadata_key = "__metadata__";

/// "F32", "F64", "I64" or "U8".
std::string_view safetensors_dtype(DType dtype);

/// Reads `json`, a header that must follow every rule of the format; for tensors that the format
/// allows and amnet does not read, it keeps the place of the bytes and the reason. It must describe
/// exactly `data_bytes` bytes. Throws DataError beginning with `file`.
SafetensorsHeader parse_safetensors_header(std::string_view json, std::uint64_t data_bytes, std::string_view file);
/// The header as JSON text, not padded. Throws UsageError for names or metadata that are not UTF-8.
std::string format_safetensors_header(const SafetensorsHeader& header);

}  // namespace amnet
