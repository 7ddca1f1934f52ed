#include "content_hash.h"
#include "data/pipeline.h"
#include "packed_format.h"
#include "read_face.h"

#include <amnet/faces/packed_faces.h>

#include <algorithm>
#include <limits>
#include <optional>

namespace amnet {
namespace {

/// The bytes of an image that was found good, or why it cannot be used.
struct Checked {
  std::vector<std::byte> bytes;
  std::string reason;  // empty when it is good
};

Checked check_image(const FaceList& list, std::int64_t i, const ImageFormat& format) {
  const std::string where = list.where(i);
  try {
    std::vector<std::byte> buffer;
    const std::span<const std::byte> file = list.images(i).read(list.path(i), where, buffer);
    require_size(decode_image(file, format.order, where), format, where);
    if (file.data() != buffer.data()) buffer.assign(file.begin(), file.end());
    return {std::move(buffer), {}};
  } catch (const DataError& error) {
    return {{}, error.what()};
  }
}

std::size_t path_bytes(const FaceList& list) {
  std::size_t bytes = 0;
  for (std::int64_t i = 0; i < list.size(); ++i) bytes += list.path(i).size();
  return bytes;
}

/// Writes a file from its beginning to its end; the index, which grows meanwhile, follows the
/// images.
class Writer {
 public:
  Writer(const std::function<void(std::span<const std::byte>)>& sink, const FaceList& list) : sink_(sink) {
    const std::size_t paths = path_bytes(list);
    index_.reserve(static_cast<std::size_t>(list.size()) * packed::entry_bytes + paths);
    paths_.reserve(paths);
    packed::append_text(head_, packed::head_mark);
    packed::append_number(head_, packed::version, 4);
    packed::append_number(head_, 0, 4);
    write(head_);
  }

  void add(std::string_view path, std::int64_t label, std::span<const std::byte> bytes) {
    packed::append_text(paths_, path);
    packed::append_entry(index_, {.offset = written_,
                                  .checksum = content_checksum(bytes),
                                  .path_end = paths_.size(),
                                  .bytes = static_cast<std::uint32_t>(bytes.size()),
                                  .label = static_cast<std::uint32_t>(label)});
    write(bytes);
  }

  std::uint64_t finish(std::int64_t classes) {
    const std::uint64_t index_at = written_;
    std::vector<std::byte> foot;
    packed::append_number(foot, index_.size() / packed::entry_bytes, 8);
    packed::append_number(foot, index_at, 8);
    packed::append_number(foot, paths_.size(), 8);
    packed::append_number(foot, static_cast<std::uint64_t>(classes), 8);
    index_.insert(index_.end(), paths_.begin(), paths_.end());
    packed::append_number(foot, content_checksum(index_), 8);
    std::vector<std::byte> summed = head_;
    summed.insert(summed.end(), foot.begin(), foot.end());
    packed::append_number(foot, content_checksum(summed), 8);
    packed::append_text(foot, packed::foot_mark);
    write(index_);
    write(foot);
    return written_;
  }

 private:
  void write(std::span<const std::byte> bytes) {
    sink_(bytes);
    written_ += bytes.size();
  }

  const std::function<void(std::span<const std::byte>)>& sink_;
  std::uint64_t written_ = 0;
  std::vector<std::byte> head_, index_, paths_;
};

}  // namespace

std::size_t packed_index_bytes(const FaceList& list) {
  return static_cast<std::size_t>(list.size()) * packed::entry_bytes + 2 * path_bytes(list);
}

PackSummary write_packed_faces(const FaceList& list, const PackOptions& options,
                               const std::function<void(std::span<const std::byte>)>& sink) {
  check_image_format(options.format);
  require(!list.empty() && list.size() <= std::numeric_limits<std::uint32_t>::max(),
          "[packed faces] expected from 1 to 2^32-1 images but got {}.", list.size());
  constexpr std::int64_t chunk = 64;  // images per job
  Pipeline<std::vector<Checked>> pipeline(options.workers, options.workers + 1, (list.size() + chunk - 1) / chunk,
                                          [&](std::int64_t number) {
                                            return [&, number](const std::stop_token& stop) {
                                              std::vector<Checked> images;
                                              const std::int64_t end = std::min(list.size(), (number + 1) * chunk);
                                              for (std::int64_t i = number * chunk; i < end && !stop.stop_requested(); ++i)
                                                images.push_back(check_image(list, i, options.format));
                                              return images;
                                            };
                                          });
  PackSummary summary;
  std::string first_reason;
  Writer writer(sink, list);
  std::int64_t done = 0;
  while (const std::optional<std::vector<Checked>> images = pipeline.next()) {
    for (const Checked& image : *images) {
      const std::int64_t i = done++;
      if (image.reason.empty()) {
        writer.add(list.path(i), list.label(i), image.bytes);
        summary.images += 1;
        continue;
      }
      if (options.bad_images == BadImages::fail) throw DataError(image.reason);
      if (options.on_bad_image) options.on_bad_image({i, image.reason});
      if (summary.skipped++ == 0) first_reason = image.reason;
    }
    if (options.progress) options.progress(done, list.size());
  }
  require<DataError>(summary.images > 0, "not one of the {} images can be used; the first: {}", list.size(), first_reason);
  summary.bytes = writer.finish(list.classes());
  return summary;
}

}  // namespace amnet
