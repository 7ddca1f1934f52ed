#include <amnet/data/image.h>

#include "codecs.h"
#include "descriptor.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <new>
#include <system_error>

namespace amnet {
namespace {

Image decode_by_magic(codecs::Bytes file, ChannelOrder order) {
  using namespace codecs;
  expect(!file.empty(), "is empty.");
  expect(file.size() <= static_cast<std::size_t>(max_image_file_bytes), "has {} bytes, more than the {} that amnet reads.", file.size(),
         std::int64_t{max_image_file_bytes});
  if (starts_with(file, "\xFF\xD8")) return decode_jpeg(file, order);
  if (starts_with(file, "\x89PNG")) return decode_png(file, order);
  if (starts_with(file, "RIFF") && file.size() >= 12 && starts_with(file.subspan(8), "WEBP")) return decode_webp(file, order);
  if (starts_with(file, "BM")) return decode_bmp(file, order);
  if (starts_with(file, "P5") || starts_with(file, "P6")) return decode_pnm(file, order);
  throw foreign_format(file);
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

void read_image_file(const std::filesystem::path& path, std::string_view name, std::vector<std::byte>& bytes) {
  const auto reason = [] { return std::generic_category().message(errno); };
  // opening a pipe must not block
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  require<DataError>(file.number() >= 0 || (errno != ENOENT && errno != ENOTDIR), "{} is not there; check the root folder and the list.",
                     name);
  require<DataError>(file.number() >= 0, "{} cannot be read: {}.", name, reason());
  struct stat status = {};
  require<DataError>(::fstat(file.number(), &status) == 0, "{} cannot be read: {}.", name, reason());
  require<DataError>(!S_ISDIR(status.st_mode), "{} is a folder, not an image.", name);
  require<DataError>(S_ISREG(status.st_mode), "{} is not a regular file.", name);
  require<DataError>(status.st_size <= max_image_file_bytes, "{} has {} bytes, more than the {} that amnet reads.", name,
                     std::int64_t{status.st_size}, std::int64_t{max_image_file_bytes});
  bytes.resize(static_cast<std::size_t>(status.st_size));
  std::size_t size = 0;
  while (size < bytes.size()) {
    const ssize_t got = ::read(file.number(), bytes.data() + size, bytes.size() - size);
    if (got < 0 && errno == EINTR) continue;
    require<DataError>(got >= 0, "{} cannot be read: {}.", name, reason());
    if (got == 0) break;  // it became shorter; the decoder checks what was read
    size += static_cast<std::size_t>(got);
  }
  bytes.resize(size);
  require<DataError>(!bytes.empty(), "{} is empty.", name);
}

std::vector<std::byte> read_image_file(const std::filesystem::path& path, std::string_view name) {
  std::vector<std::byte> bytes;
  read_image_file(path, name, bytes);
  return bytes;
}

Image read_image(const std::filesystem::path& path, ChannelOrder order) {
  const std::string name = path.string();
  return decode_image(read_image_file(path, name), order, name);
}

}  // namespace amnet
