#include "safetensors_header.h"

#include "json.h"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <tuple>
#include <unordered_set>
#include <utility>

namespace amnet {
namespace {

constexpr std::array read_dtypes = {DType::f32, DType::f64, DType::i64, DType::u8};

/// The dtypes of the format and the bits of an element.
struct FormatDtype {
  std::string_view name;
  std::uint64_t bits;
};
constexpr std::array format_dtypes = {
    FormatDtype{"F32", 32},    FormatDtype{"F64", 64},        FormatDtype{"I64", 64},        FormatDtype{"U8", 8},
    FormatDtype{"F16", 16},    FormatDtype{"BF16", 16},       FormatDtype{"I32", 32},        FormatDtype{"I16", 16},
    FormatDtype{"I8", 8},      FormatDtype{"BOOL", 8},        FormatDtype{"U16", 16},        FormatDtype{"U32", 32},
    FormatDtype{"U64", 64},    FormatDtype{"C64", 64},        FormatDtype{"F8_E4M3", 8},     FormatDtype{"F8_E5M2", 8},
    FormatDtype{"F8_E8M0", 8}, FormatDtype{"F8_E4M3FNUZ", 8}, FormatDtype{"F8_E5M2FNUZ", 8}, FormatDtype{"F6_E2M3", 6},
    FormatDtype{"F6_E3M2", 6}, FormatDtype{"F4", 4}};

/// A name from a file as a message can show it: short, and without bytes that would disturb a
/// terminal.
std::string shown(std::string_view name) {
  constexpr std::size_t longest = 80;
  std::string text(name.substr(0, longest));
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return "`" + text + (name.size() > longest ? "…`" : "`");
}

std::string listed(const std::vector<std::uint64_t>& extents) {
  std::string text;
  for (const std::uint64_t extent : extents) text += (text.empty() ? "" : ",") + std::to_string(extent);
  return text;
}

/// One tensor as the file states it, before anything is checked.
struct RawEntry {
  std::string name;
  std::optional<std::string> dtype;
  std::optional<std::vector<std::uint64_t>> shape;
  std::optional<std::vector<std::uint64_t>> offsets;
};

/// Handles the parser's events one by one: a JSON document type would silently keep one of two
/// equal keys.
class HeaderReader final : public nlohmann::json_sax<Json> {
 public:
  HeaderReader(std::string_view file) : file_(file) {}

  Metadata metadata;
  std::vector<RawEntry> entries;

  bool start_object(std::size_t) override {
    if (state_ == State::outside) {
      state_ = State::names;
    } else if (state_ == State::names && in_metadata_) {
      state_ = State::metadata;
    } else if (state_ == State::names) {
      state_ = State::entry;
      entries.push_back({.name = name_, .dtype = {}, .shape = {}, .offsets = {}});
    } else {
      fail("an object");
    }
    return true;
  }

  bool key(std::string& key) override {
    if (state_ == State::names) {
      check(seen_.insert(key).second, "the key {} appears twice", shown(key));
      name_ = key;
      in_metadata_ = key == safetensors_metadata_key;
    } else if (state_ == State::metadata) {
      check(!metadata.contains(key), "the key {} of __metadata__ appears twice", shown(key));
      field_ = key;
    } else {
      const RawEntry& entry = entries.back();
      const bool again = (key == "dtype" && entry.dtype) || (key == "shape" && entry.shape) || (key == "data_offsets" && entry.offsets);
      check(!again, "tensor {}: `{}` appears twice", shown(name_), key);
      check(key == "dtype" || key == "shape" || key == "data_offsets",
            "tensor {}: expected dtype, shape and data_offsets but got the field {}", shown(name_), shown(key));
      field_ = key;
    }
    return true;
  }

  bool end_object() override {
    if (state_ == State::entry) {
      const RawEntry& entry = entries.back();
      check(entry.dtype && entry.shape && entry.offsets, "tensor {}: {} is missing", shown(name_),
            !entry.dtype   ? "dtype"
            : !entry.shape ? "shape"
                           : "data_offsets");
    }
    state_ = state_ == State::names ? State::outside : State::names;
    return true;
  }

  bool start_array(std::size_t) override {
    if (state_ != State::entry || field_ == "dtype") fail("an array");
    std::optional<std::vector<std::uint64_t>>& list = field_ == "shape" ? entries.back().shape : entries.back().offsets;
    list.emplace();
    list_ = &*list;
    state_ = State::list;
    return true;
  }

  bool end_array() override {
    list_ = nullptr;
    state_ = State::entry;
    return true;
  }

  bool string(std::string& value) override {
    if (state_ == State::metadata) {
      metadata.emplace(field_, value);
    } else if (state_ == State::entry && field_ == "dtype") {
      entries.back().dtype = value;
    } else {
      fail("a string");
    }
    return true;
  }

  bool number_unsigned(std::uint64_t value) override {
    if (state_ != State::list) fail("a number");
    list_->push_back(value);
    return true;
  }

  bool null() override { fail("null"); }
  bool boolean(bool) override { fail("true or false"); }
  bool number_integer(std::int64_t) override { fail("a negative number"); }
  bool number_float(double, const std::string&) override { fail("a number that is not a whole number of 64 bits"); }
  bool binary(Json::binary_t&) override { fail("binary data"); }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    throw DataError(fmt::format("{}: the header is not valid JSON near its byte {}.", file_, position));
  }

 private:
  enum class State : unsigned char { outside, names, metadata, entry, list };

  template <class... Args>
  void check(bool condition, fmt::format_string<Args...> message, Args&&... args) const {
    if (!condition) throw DataError(fmt::format("{}: {}.", file_, fmt::format(message, std::forward<Args>(args)...)));
  }
  [[noreturn]] void fail(std::string_view what) const {
    const bool in_field = state_ == State::metadata || state_ == State::entry || state_ == State::list;
    throw DataError(fmt::format("{}: {} does not belong at {}{} of the header.", file_, what,
                                state_ == State::outside ? "the start" : shown(name_), in_field ? " / " + shown(field_) : ""));
  }

  std::string_view file_;
  State state_ = State::outside;
  bool in_metadata_ = false;
  std::string name_;   // the key of the outer object
  std::string field_;  // the key within it
  std::vector<std::uint64_t>* list_ = nullptr;
  std::unordered_set<std::string> seen_;
};

/// The elements of a shape. Throws DataError where they are too many to count.
std::uint64_t elements_of(const std::vector<std::uint64_t>& shape, std::string_view name, std::string_view file) {
  std::uint64_t count = 1;
  for (const std::uint64_t extent : shape) {
    // as Shape, and bits: bytes never overflow
    constexpr std::uint64_t largest = std::numeric_limits<std::int64_t>::max() / 64;
    require<DataError>(extent <= largest && (extent == 0 || count <= largest / extent), "{}: tensor {}: the number of elements overflows.",
                       file, name);
    count *= extent;
  }
  return count;
}

SafetensorsEntry checked(const RawEntry& raw, std::string_view file) {
  const std::string name = shown(raw.name);
  SafetensorsEntry entry;
  entry.name = raw.name;
  const auto known = std::ranges::find(format_dtypes, *raw.dtype, &FormatDtype::name);
  require<DataError>(known != format_dtypes.end(), "{}: tensor {} is of dtype {}, which the format does not have.", file, name,
                     shown(*raw.dtype));
  const std::uint64_t bits = elements_of(*raw.shape, name, file) * known->bits;

  require<DataError>(raw.offsets->size() == 2, "{}: tensor {}: expected data_offsets [begin, end] but got {} value(s).", file, name,
                     raw.offsets->size());
  entry.stored_dtype = *raw.dtype;
  entry.stored_shape = *raw.shape;
  entry.begin = raw.offsets->front();
  entry.end = raw.offsets->back();
  require<DataError>(bits % 8 == 0 && entry.begin <= entry.end && entry.end - entry.begin == bits / 8,
                     "{}: tensor {}: expected {} bytes for {} ({}) but data_offsets are [{}, {}].", file, name, bits / 8, *raw.dtype,
                     listed(*raw.shape), entry.begin, entry.end);

  const auto dtype = std::ranges::find(read_dtypes, *raw.dtype, safetensors_dtype);
  if (dtype == read_dtypes.end()) {
    entry.unread =
        fmt::format("{}: tensor {} is of dtype {} but amnet reads F32, F64, I64 and U8; convert it first.", file, name, *raw.dtype);
  } else if (raw.shape->size() > Shape::max_rank) {
    entry.unread = fmt::format("{}: tensor {} has {} dimensions, more than the {} that amnet reads.", file, name, raw.shape->size(),
                               static_cast<int>(Shape::max_rank));
  } else {
    entry.dtype = *dtype;
    const std::vector<std::int64_t> extents(raw.shape->begin(), raw.shape->end());
    entry.shape = Shape(std::span<const std::int64_t>(extents));
  }
  return entry;
}

}  // namespace

std::string_view safetensors_dtype(DType dtype) {
  switch (dtype) {
    case DType::f32: return "F32";
    case DType::f64: return "F64";
    case DType::bf16: return "BF16";
    case DType::i64: return "I64";
    case DType::u8: return "U8";
  }
  return "?";
}

SafetensorsHeader parse_safetensors_header(std::string_view json, std::uint64_t data_bytes, std::string_view file) {
  require<DataError>(json.starts_with('{'), "{}: expected a header that starts with `{{`; this is not a safetensors file.", file);
  // The parser takes a zero byte as the end of its input and does not read what follows.
  require<DataError>(json.find('\0') == std::string_view::npos, "{}: the header holds a zero byte.", file);
  HeaderReader reader(file);
  Json::sax_parse(json.begin(), json.end(), &reader);

  SafetensorsHeader header{.metadata = std::move(reader.metadata), .entries = {}};
  header.entries.reserve(reader.entries.size());
  for (const RawEntry& raw : reader.entries) header.entries.push_back(checked(raw, file));
  std::ranges::sort(header.entries, {}, [](const SafetensorsEntry& entry) { return std::tie(entry.begin, entry.end, entry.name); });

  std::uint64_t position = 0;
  for (const SafetensorsEntry& entry : header.entries) {
    require<DataError>(entry.begin == position, "{}: tensor {} begins at byte {} of the data but the one before it ends at byte {}.", file,
                       shown(entry.name), entry.begin, position);
    position = entry.end;
  }
  require<DataError>(position == data_bytes, "{}: expected {} bytes of data after the header but the file has {}.", file, position,
                     data_bytes);
  return header;
}

std::string format_safetensors_header(const SafetensorsHeader& header) {
  const auto quoted = [](const std::string& text) {
    try {
      return Json(text).dump();
    } catch (const Json::type_error&) {
      throw UsageError(fmt::format("[safetensors] expected UTF-8 but the text {} is not.", shown(text)));
    }
  };
  std::string text = "{";
  const auto separate = [&] { text += text.ends_with('{') ? "" : ","; };
  if (!header.metadata.empty()) {
    text += fmt::format("\"{}\":{{", safetensors_metadata_key);
    for (const auto& [key, value] : header.metadata) {
      separate();
      text += quoted(key) + ":" + quoted(value);
    }
    text += "}";
  }
  for (const SafetensorsEntry& entry : header.entries) {
    separate();
    std::string extents;
    for (int i = 0; i < entry.shape.rank(); ++i) extents += (i ? "," : "") + std::to_string(entry.shape[i]);
    text += fmt::format("{}:{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}}", quoted(entry.name),
                        safetensors_dtype(entry.dtype), extents, entry.begin, entry.end);
  }
  return text + "}";
}

}  // namespace amnet
