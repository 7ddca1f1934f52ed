#include "labelled_images.h"

#include <amnet/core/error.h>
#include <amnet/io/durable_file.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

using namespace amnet;

namespace {

constexpr std::size_t largest_file = std::size_t{1} << 30;

struct Idx {
  std::vector<std::int64_t> extents;
  std::string bytes;  // of the file; the values begin at `begin`
  std::size_t begin;

  std::uint8_t value(std::size_t i) const { return static_cast<std::uint8_t>(bytes[begin + i]); }
};

std::uint32_t big_endian(std::string_view bytes, std::size_t at) {
  std::uint32_t number = 0;
  for (std::size_t i = 0; i < 4; ++i) number = number << 8 | static_cast<std::uint8_t>(bytes[at + i]);
  return number;
}

Idx read_file_of(const std::filesystem::path& path, std::size_t rank, std::string_view what) {
  require<DataError>(std::filesystem::is_regular_file(path), "{}: there is no such file of {}.", path.string(), what);
  Idx idx{.extents = {}, .bytes = read_file(path, largest_file), .begin = 4 + 4 * rank};
  require<DataError>(!idx.bytes.starts_with("\x1f\x8b"), "{}: expected an IDX file but it is packed; unpack it with gunzip.",
                     path.string());
  require<DataError>(idx.bytes.size() >= idx.begin, "{}: expected an IDX file of {} but it has only {} bytes.", path.string(), what,
                     idx.bytes.size());
  const auto magic = static_cast<std::uint32_t>(0x800 + rank);
  require<DataError>(big_endian(idx.bytes, 0) == magic,
                     "{}: expected an IDX file of {}, which begins with {:#010x}, but it begins with {:#010x}.", path.string(), what, magic,
                     big_endian(idx.bytes, 0));
  std::size_t count = 1;
  const std::size_t held = idx.bytes.size() - idx.begin;
  for (std::size_t i = 0; i < rank; ++i) {
    const std::uint32_t extent = big_endian(idx.bytes, 4 + 4 * i);
    require<DataError>(extent > 0, "{}: expected extents of at least 1 but extent {} is 0.", path.string(), i + 1);
    // A product that is larger than any file stays so.
    count = std::min(count * extent, 2 * largest_file);
    idx.extents.push_back(extent);
  }
  require<DataError>(count == held, "{}: expected as many values as its extents say but it has {} bytes of {}{}.", path.string(), held,
                     count == 2 * largest_file ? "more than " : "", count);
  return idx;
}

}  // namespace

LabelledImages read_idx(const std::filesystem::path& images, const std::filesystem::path& labels) {
  const Idx pixels = read_file_of(images, 3, "images"), classes = read_file_of(labels, 1, "labels");
  const std::int64_t count = pixels.extents[0];
  require<DataError>(classes.extents[0] == count, "{}: expected a label for each of the {} images of {} but it has {}.", labels.string(),
                     count, images.string(), classes.extents[0]);
  LabelledImages read{Tensor({count, pixels.extents[1], pixels.extents[2], 1}, DType::f32), Tensor({count}, DType::i64)};
  const auto to = read.images.data<float>();
  for (std::size_t i = 0; i < to.size(); ++i) to[i] = static_cast<float>(pixels.value(i)) / 127.5F - 1;
  const auto label = read.labels.data<std::int64_t>();
  for (std::size_t i = 0; i < label.size(); ++i) label[i] = classes.value(i);
  read.classes = *std::ranges::max_element(label) + 1;
  require<DataError>(read.classes >= 2 && read.classes <= 10,
                     "{}: expected labels from 0 to 9, of 2 classes or more, but the largest is {}.", labels.string(), read.classes - 1);
  return read;
}
