#include <amnet/data/image.h>

#include "codecs.h"

#include <cerrno>
#include <cstdio>
#include <memory>
#include <new>
#include <system_error>

namespace amnet {
namespace {

bool starts_with(codecs::Bytes file, std::string_view magic) {
  return file.size() >= magic.size() && std::string_view(reinterpret_cast<const char*>(file.data()), magic.size()) == magic;
}

Image decode_by_magic(codecs::Bytes file, ChannelOrder order) {
  using namespace codecs;
  expect(!file.empty(), "is empty.");
  expect(file.size() <= static_cast<std::size_t>(max_image_file_bytes), "has {} bytes, more than the {} that amnet reads.", file.size(),
         std::int64_t{max_image_file_bytes});
  if (starts_with(file, "\xFF\xD8")) return decode_jpeg(file, order);
  if (starts_with(file, "\x89PNG")) return decode_png(file, order);
  if (starts_with(file, "BM")) return decode_bmp(file, order);
  if (starts_with(file, "P5") || starts_with(file, "P6")) return decode_pnm(file, order);
  expect(!starts_with(file, "GIF8"), "is a GIF, which may be animated; convert it to PNG.");
  expect(!starts_with(file, "<"), "is HTML or XML, not an image: the download that made it probably failed.");
  throw Refusal{"is not an image that amnet reads (JPEG, PNG, BMP, binary PGM or PPM)."};
}

}  // namespace

Image decode_image(std::span<const std::byte> file, ChannelOrder order, std::string_view name) {
  try {
    return decode_by_magic(file, order);
  } catch (const codecs::Refusal& refusal) {
    throw DataError(fmt::format("{} {}", name, refusal.reason));
  } catch (const std::bad_alloc&) {
    throw MemoryError(fmt::format("{} does not fit into memory when decoded.", name));
  }
}

std::vector<std::byte> read_image_file(const std::filesystem::path& path, std::string_view name) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  require<DataError>(status.type() != std::filesystem::file_type::not_found, "{} is not there; check the root folder and the list.", name);
  require<DataError>(!error, "{} cannot be read: {}.", name, error.message());
  require<DataError>(status.type() != std::filesystem::file_type::directory, "{} is a folder, not an image.", name);
  require<DataError>(status.type() == std::filesystem::file_type::regular, "{} is not a regular file.", name);

  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), std::fclose);
  require<DataError>(file != nullptr, "{} cannot be read: {}.", name, std::generic_category().message(errno));
  const auto size = std::filesystem::file_size(path, error);
  require<DataError>(!error, "{} cannot be read: {}.", name, error.message());
  require<DataError>(size <= static_cast<std::uintmax_t>(max_image_file_bytes), "{} has {} bytes, more than the {} that amnet reads.", name,
                     size, std::int64_t{max_image_file_bytes});
  std::vector<std::byte> bytes(static_cast<std::size_t>(size));
  const std::size_t got = std::fread(bytes.data(), 1, bytes.size(), file.get());
  require<DataError>(std::ferror(file.get()) == 0, "{} cannot be read: {}.", name, std::generic_category().message(errno));
  bytes.resize(got);
  require<DataError>(!bytes.empty(), "{} is empty.", name);
  return bytes;
}

Image read_image(const std::filesystem::path& path, ChannelOrder order) {
  const std::string name = path.string();
  return decode_image(read_image_file(path, name), order, name);
}

}  // namespace amnet
