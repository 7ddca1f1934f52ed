// safetensors, the file format of weights: https://github.com/huggingface/safetensors ("Format"). A
// u64 header length, a JSON header of names, dtypes, shapes and byte ranges, then the elements, all
// little-endian. The reader is strict: it accepts exactly the files the format describes, and
// nothing in a file is executed. A tensor that a Tensor cannot hold (of another dtype such as F16,
// or of more than four dimensions) is skipped, and refused when it is requested.
//
//   write_safetensors("model.safetensors", std::vector<NamedTensor>{{"fc.weight", w}}, {{"framework", "amnet"}});
//   SafetensorsFile file = read_safetensors("model.safetensors");
//   const Tensor* found = file.find("fc.weight");                     // null where there is none
//   SafetensorsReader reader("model.safetensors");                    // the header alone
//   file = reader.read([](std::string_view name) { return name.starts_with("fc."); });
#pragma once

#include <amnet/core/tensor.h>
#include <amnet/io/durable_file.h>

#include <cstddef>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace amnet {

struct NamedTensor {
  std::string name;
  Tensor tensor;
};

/// The metadata of a file (`__metadata__`): text to text.
using Metadata = std::map<std::string, std::string>;

/// The contents of one file. Tensors share their elements with all copies of them.
struct SafetensorsFile {
  Metadata metadata;
  std::vector<NamedTensor> tensors;  ///< as read: in the order of the bytes
  /// Tensors of the file that a Tensor cannot hold, by name, each with a whole sentence that says
  /// why.
  std::map<std::string, std::string, std::less<>> unread = {};
  /// names of those that were not requested (SafetensorsReader)
  std::vector<std::string> unwanted = {};

  /// The tensor of that name, or nullptr, also for one that was not requested. Throws DataError for
  /// one of `unread`.
  const Tensor* find(std::string_view name) const;
};

/// The longest header the reader accepts, in bytes (the format allows 100 MB; amnet's own are a few
/// kB).
inline constexpr std::size_t safetensors_header_limit = std::size_t{16} << 20;

/// Writes the tensors, widest dtype first and then by name: the same tensors always give the same
/// bytes, aligned. Throws UsageError for a duplicate or unusable name and for a tensor that is
/// undefined or not in host memory.
void write_safetensors(const ByteSink& sink, std::span<const NamedTensor> tensors, const Metadata& metadata = {});
/// The same into a file, durably (io/durable_file.h).
void write_safetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors, const Metadata& metadata = {});

/// The header's entry for one of the tensors.
struct StoredTensor {
  std::string name;
  std::string dtype;  ///< as the format names it: "F32", also of those that amnet does not read
  std::vector<std::uint64_t> shape;
  std::uint64_t bytes;
};

/// An open file whose header was read. Throws as read_safetensors does.
class SafetensorsReader {
 public:
  explicit SafetensorsReader(const std::filesystem::path& path);
  ~SafetensorsReader();
  SafetensorsReader(SafetensorsReader&&) noexcept;
  SafetensorsReader& operator=(SafetensorsReader&&) noexcept;

  const Metadata& metadata() const;
  /// All of them, in the order of the bytes.
  std::vector<StoredTensor> stored() const;
  /// The metadata, and the tensors whose names are wanted: no byte of another one is read.
  SafetensorsFile read(const std::function<bool(std::string_view name)>& wanted) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Reads a whole file. Throws FileError when it cannot be read, and DataError naming the file, the
/// tensor and what is wrong when it is malformed.
SafetensorsFile read_safetensors(const std::filesystem::path& path);
/// The same from memory; `name` stands for the file in messages.
SafetensorsFile parse_safetensors(std::span<const std::byte> bytes, std::string_view name);

}  // namespace amnet
