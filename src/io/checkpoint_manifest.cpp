#include "checkpoint_manifest.h"

#include "checksum.h"
#include "json.h"
#include "posix_file.h"

#include <amnet/core/error.h>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <span>
#include <type_traits>

namespace amnet {
namespace {

constexpr std::string_view format_name = "amnet checkpoint";
constexpr std::int64_t format_version = 1;

template <class T>
T value_of(const Json& object, const char* key, std::string_view file) {
  const auto found = object.find(key);
  bool fits = false;
  if (found != object.end()) {
    if constexpr (std::is_same_v<T, std::string>) {
      fits = found->is_string();
    } else {
      fits = found->is_number_unsigned() && found->template get<std::uint64_t>() <= std::numeric_limits<std::int64_t>::max();
    }
  }
  require<DataError>(fits, "{}: expected `{}` as amnet writes it.", file, key);
  return found->template get<T>();
}

bool is_text(const Json& object, const char* key, std::string_view expected) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() && found->get_ref<const std::string&>() == expected;
}

}  // namespace

bool is_plain_name(std::string_view name) {
  const auto plain = [](char c) {
    return ('a' <= c && c <= 'z') || ('A' <= c && c <= 'Z') || ('0' <= c && c <= '9') || c == '.' || c == '_' || c == '-';
  };
  return !name.empty() && name.size() <= 128 && name.front() != '.' && std::ranges::all_of(name, plain);
}

std::string format_manifest(const Manifest& manifest) {
  std::string text = fmt::format("{{\n  \"format\": \"{}\",\n  \"version\": {},\n  \"step\": {},\n  \"files\": [", format_name,
                                 format_version, manifest.step);
  std::string_view separator = "\n";
  for (const ManifestFile& file : manifest.files) {
    text += fmt::format("{}    {{\"name\": \"{}\", \"bytes\": {}, \"xxh3_128\": \"{}\"}}", separator, file.name, file.bytes, file.checksum);
    separator = ",\n";
  }
  return text + "\n  ]\n}\n";
}

Manifest parse_manifest(std::string_view text, std::string_view file) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  require<DataError>(json.is_object() && is_text(json, "format", format_name), "{}: this is not the manifest of a checkpoint.", file);
  const auto version = value_of<std::int64_t>(json, "version", file);
  require<DataError>(version == format_version, "{}: expected manifest version {} but got {}; a newer amnet may have written it.", file,
                     format_version, version);

  Manifest manifest{.step = value_of<std::int64_t>(json, "step", file), .files = {}};
  const auto files = json.find("files");
  require<DataError>(files != json.end() && files->is_array(), "{}: expected `files` as amnet writes it.", file);
  for (const Json& entry : *files) {
    require<DataError>(entry.is_object(), "{}: expected `files` as amnet writes it.", file);
    manifest.files.push_back({.name = value_of<std::string>(entry, "name", file),
                              .bytes = value_of<std::uint64_t>(entry, "bytes", file),
                              .checksum = value_of<std::string>(entry, "xxh3_128", file)});
    require<DataError>(is_plain_name(manifest.files.back().name), "{}: a file name is damaged.", file);
  }
  require<DataError>(format_manifest(manifest) == text, "{}: the manifest is damaged: it is not written as amnet writes it.", file);
  return manifest;
}

void verify_manifest_file(const std::filesystem::path& directory, const ManifestFile& file) {
  const std::filesystem::path path = directory / file.name;
  InputFile input(path);
  require<DataError>(input.size() == file.bytes, "{}: expected {} bytes as the manifest says but the file has {}.", path.string(),
                     file.bytes, input.size());
  Checksum checksum;
  std::vector<std::byte> buffer(std::size_t{1} << 20);
  for (std::uint64_t left = file.bytes; left != 0;) {
    const std::span piece = std::span(buffer).first(static_cast<std::size_t>(std::min<std::uint64_t>(left, buffer.size())));
    input.read(piece);
    checksum.update(piece);
    left -= piece.size();
  }
  const std::string found = checksum.hexadecimal();
  require<DataError>(found == file.checksum, "{}: expected the checksum {} as the manifest says but got {}; the file is damaged.",
                     path.string(), file.checksum, found);
}

}  // namespace amnet
