#include "posix_file.h"
#include "safetensors_header.h"

#include <amnet/io/safetensors.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <functional>
#include <tuple>
#include <utility>

namespace amnet {
namespace {

static_assert(std::endian::native == std::endian::little, "the files are little-endian and are written from memory as it is");

constexpr std::size_t length_bytes = 8;
constexpr std::size_t header_alignment = 8;

/// Fills a span with the bytes of the input from a position on.
using ByteSource = std::function<void(std::uint64_t position, std::span<std::byte>)>;

/// A header, and where the data after it begin.
struct PlacedHeader {
  SafetensorsHeader header;
  std::uint64_t data_begin;
};

PlacedHeader read_header(std::uint64_t size, const ByteSource& source, std::string_view name) {
  require<DataError>(size >= length_bytes, "{}: expected a safetensors file but it has only {} bytes.", name, size);
  std::uint64_t length = 0;
  source(0, std::as_writable_bytes(std::span(&length, 1)));
  require<DataError>(
      length <= safetensors_header_limit && length <= size - length_bytes,
      "{}: expected a header of at most {} bytes but its length says {}; this is not a safetensors file, or it is cut short.", name,
      std::min<std::uint64_t>(safetensors_header_limit, size - length_bytes), length);
  std::string json(static_cast<std::size_t>(length), '\0');
  source(length_bytes, std::as_writable_bytes(std::span(json)));
  const std::uint64_t data_begin = length_bytes + length;
  return {parse_safetensors_header(json, size - data_begin, name), data_begin};
}

SafetensorsFile read_tensors(const PlacedHeader& placed, const ByteSource& source, const std::function<bool(std::string_view)>& wanted) {
  SafetensorsFile file{.metadata = placed.header.metadata, .tensors = {}};
  for (const SafetensorsEntry& entry : placed.header.entries) {
    if (!entry.unread.empty()) {
      file.unread.emplace(entry.name, entry.unread);
    } else if (wanted(entry.name)) {
      const Tensor tensor(entry.shape, entry.dtype);
      source(placed.data_begin + entry.begin, std::span(tensor.raw(), tensor.size_bytes()));
      file.tensors.push_back({entry.name, tensor});
    } else {
      file.unwanted.push_back(entry.name);
    }
  }
  return file;
}

bool every_one(std::string_view) { return true; }

}  // namespace

const Tensor* SafetensorsFile::find(std::string_view name) const {
  if (const auto refused = unread.find(name); refused != unread.end()) throw DataError(refused->second);
  const auto found = std::ranges::find(tensors, name, &NamedTensor::name);
  return found == tensors.end() ? nullptr : &found->tensor;
}

void write_safetensors(const ByteSink& sink, std::span<const NamedTensor> tensors, const Metadata& metadata) {
  std::vector<const NamedTensor*> order;
  for (const NamedTensor& named : tensors) order.push_back(&named);
  // widest first: every tensor is then aligned
  std::ranges::sort(order, [](const NamedTensor* a, const NamedTensor* b) {
    return std::tuple(size_of(b->tensor.dtype()), std::string_view(a->name)) <
           std::tuple(size_of(a->tensor.dtype()), std::string_view(b->name));
  });

  SafetensorsHeader header{.metadata = metadata, .entries = {}};
  std::vector<std::string_view> names;
  std::uint64_t position = 0;
  for (const NamedTensor* named : order) {
    const auto& [name, tensor] = *named;
    require(name != safetensors_metadata_key, "[safetensors] a tensor cannot be named {}.", name);
    require(tensor.defined(), "[safetensors] expected elements for `{}` but the tensor is undefined.", name);
    require(tensor.memory() == Memory::host, "[safetensors] `{}` lies on another device; bring it to the host first.", name);
    const std::uint64_t end = position + tensor.size_bytes();
    header.entries.push_back({.name = name, .dtype = tensor.dtype(), .shape = tensor.shape(), .begin = position, .end = end});
    names.push_back(name);
    position = end;
  }
  std::ranges::sort(names);
  const auto twice = std::ranges::adjacent_find(names);
  require(twice == names.end(), "[safetensors] two tensors are named `{}`.", twice == names.end() ? "" : *twice);

  std::string json = format_safetensors_header(header);
  json.resize((json.size() + header_alignment - 1) / header_alignment * header_alignment, ' ');
  require(json.size() <= safetensors_header_limit, "[safetensors] the header would have {} bytes but at most {} can be read back.",
          json.size(), safetensors_header_limit);
  const std::uint64_t length = json.size();
  sink(std::as_bytes(std::span(&length, 1)));
  sink(std::as_bytes(std::span(std::as_const(json))));
  for (const NamedTensor* named : order) {
    if (named->tensor.size_bytes() != 0) sink({named->tensor.raw(), named->tensor.size_bytes()});
  }
}

void write_safetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors, const Metadata& metadata) {
  write_durably(path, [&](const ByteSink& sink) { write_safetensors(sink, tensors, metadata); });
}

struct SafetensorsReader::State {
  explicit State(const std::filesystem::path& path) : file(path), placed(read_header(file.size(), source(), path.string())) {}
  ByteSource source() const {
    return [this](std::uint64_t position, std::span<std::byte> bytes) { file.read_at(position, bytes); };
  }

  InputFile file;
  PlacedHeader placed;
};

SafetensorsReader::SafetensorsReader(const std::filesystem::path& path) : state_(std::make_unique<State>(path)) {}
SafetensorsReader::~SafetensorsReader() = default;
SafetensorsReader::SafetensorsReader(SafetensorsReader&&) noexcept = default;
SafetensorsReader& SafetensorsReader::operator=(SafetensorsReader&&) noexcept = default;

const Metadata& SafetensorsReader::metadata() const { return state_->placed.header.metadata; }

std::vector<StoredTensor> SafetensorsReader::stored() const {
  std::vector<StoredTensor> stored;
  for (const SafetensorsEntry& entry : state_->placed.header.entries) {
    stored.push_back({entry.name, entry.stored_dtype, entry.stored_shape, entry.end - entry.begin});
  }
  return stored;
}

SafetensorsFile SafetensorsReader::read(const std::function<bool(std::string_view name)>& wanted) const {
  return read_tensors(state_->placed, state_->source(), wanted);
}

SafetensorsFile read_safetensors(const std::filesystem::path& path) { return SafetensorsReader(path).read(every_one); }

SafetensorsFile parse_safetensors(std::span<const std::byte> bytes, std::string_view name) {
  // the sizes were checked against bytes.size()
  const ByteSource source = [&](std::uint64_t position, std::span<std::byte> wanted) {
    if (!wanted.empty()) std::memcpy(wanted.data(), bytes.data() + position, wanted.size());
  };
  return read_tensors(read_header(bytes.size(), source, name), source, every_one);
}

}  // namespace amnet
