#include "content_hash.h"
#include "list_builder.h"
#include "mapped_file.h"
#include "packed_format.h"

#include <amnet/core/path_hint.h>
#include <amnet/data/image.h>
#include <amnet/data/image_names.h>
#include <amnet/faces/packed_faces.h>

#include <algorithm>
#include <bit>
#include <functional>
#include <limits>
#include <optional>

namespace amnet {
namespace {

using packed::Bytes;

constexpr std::uint64_t max_images = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint64_t max_classes = std::uint64_t{1} << 31;

/// Finds a path among the paths of the index: open addressing with room for twice the images, 8 to
/// 16 bytes an image.
class PathTable {
 public:
  template <class PathOf>
  PathTable(std::size_t images, PathOf&& path_of) : slots_(std::bit_ceil(2 * images), nothing) {
    for (std::size_t i = 0; i < images; ++i) {
      std::uint32_t& slot = slots_[slot_of(path_of(i), path_of)];
      if (slot == nothing) slot = static_cast<std::uint32_t>(i);
    }
  }

  template <class PathOf>
  std::optional<std::size_t> find(std::string_view path, PathOf&& path_of) const {
    const std::uint32_t image = slots_[slot_of(path, path_of)];
    return image == nothing ? std::nullopt : std::optional<std::size_t>(image);
  }

 private:
  static constexpr std::uint32_t nothing = std::numeric_limits<std::uint32_t>::max();

  /// The slot that holds the path, or the empty one where it belongs. Half of the slots stay empty,
  /// so the search ends.
  template <class PathOf>
  std::size_t slot_of(std::string_view path, PathOf&& path_of) const {
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = std::hash<std::string_view>()(path) & mask;
    while (slots_[at] != nothing && path_of(slots_[at]) != path) at = (at + 1) & mask;
    return at;
  }

  std::vector<std::uint32_t> slots_;
};

/// A file whose structure was checked.
struct Layout {
  std::size_t images;
  std::int64_t classes;
  Bytes index;  // entries
  Bytes paths;
};

/// Throws DataError "<file> <reason>".
template <class... Args>
void expect(bool condition, std::string_view file, fmt::format_string<Args...> reason, Args&&... args) {
  if (!condition) [[unlikely]] {
    throw DataError(fmt::format("{} {}", file, fmt::format(reason, std::forward<Args>(args)...)));
  }
}

/// Every entry begins where the one before ends, in the images and in the paths, and the last one
/// ends where it must.
void check_entries(const Layout& layout, std::uint64_t images_end, std::string_view file) {
  std::uint64_t offset = packed::head_bytes;
  std::uint64_t path_end = 0;
  for (std::size_t i = 0; i < layout.images; ++i) {
    const packed::Entry entry = packed::entry_at(layout.index, i);
    const bool bytes_fit = entry.offset == offset && entry.bytes >= 1 && entry.bytes <= static_cast<std::uint64_t>(max_image_file_bytes) &&
                           entry.bytes <= images_end - offset;
    expect(bytes_fit, file, "is damaged: {} bytes at {} cannot be image {} of {}; pack the images again.", entry.bytes, entry.offset, i,
           layout.images);
    const bool path_fits = entry.path_end > path_end && entry.path_end <= layout.paths.size();
    expect(path_fits, file, "is damaged: the path of image {} of {} does not lie among the paths; pack the images again.", i,
           layout.images);
    const std::string_view path = packed::text_of(layout.paths.subspan(path_end, entry.path_end - path_end));
    expect(path.find('\0') == std::string_view::npos, file,
           "is damaged: the path of image {} of {} holds a zero byte; pack the images again.", i, layout.images);
    expect(entry.label < static_cast<std::uint64_t>(layout.classes), file,
           "is damaged: image {} of {} has label {} in {} classes; pack the images again.", i, layout.images, entry.label, layout.classes);
    offset += entry.bytes;
    path_end = entry.path_end;
  }
  expect(offset == images_end && path_end == layout.paths.size(), file,
         "is damaged: its {} images end at byte {}, their paths at {}, but {} and {} are expected; pack the images again.", layout.images,
         offset, path_end, images_end, layout.paths.size());
}

Layout read_layout(Bytes bytes, std::string_view file) {
  const bool ours = packed::text_of(bytes).starts_with(packed::head_mark);
  expect(ours, file, "is not a packed file of amnet; train_face pack makes one.");
  expect(bytes.size() >= packed::head_bytes + packed::foot_bytes, file,
         "is truncated: {} bytes cannot hold an image; pack the images again.", bytes.size());
  const std::uint32_t version = packed::little32(bytes, 8);
  expect(version == packed::version, file, "is a packed file of version {} but this amnet reads version {}; pack the images again.",
         version, std::uint32_t{packed::version});
  const Bytes foot = bytes.last(packed::foot_bytes);
  const std::size_t mark_at = packed::foot_bytes - packed::foot_mark.size();
  expect(packed::text_of(foot.subspan(mark_at)) == packed::foot_mark, file,
         "is truncated or damaged: its last bytes are not those of a packed file; pack the images again.");

  std::vector<std::byte> summed(bytes.begin(), bytes.begin() + packed::head_bytes);
  summed.insert(summed.end(), foot.begin(), foot.begin() + packed::foot_summed_bytes);
  expect(content_checksum(summed) == packed::little64(foot, packed::foot_summed_bytes), file,
         "is damaged: its first or last bytes do not match their checksum; pack the images again.");

  // From here on a wrong number was written deliberately, because the checksum matches; each is
  // still checked against the file.
  const std::uint64_t images = packed::little64(foot, 0);
  const std::uint64_t index_at = packed::little64(foot, 8);
  const std::uint64_t paths = packed::little64(foot, 16);
  const std::uint64_t classes = packed::little64(foot, 24);
  expect(images >= 1 && images <= max_images && classes >= 1 && classes <= max_classes, file,
         "is damaged: expected 1 to {} images and 1 to {} classes but got {} and {}; pack the images again.", max_images, max_classes,
         images, classes);
  const std::uint64_t foot_at = bytes.size() - packed::foot_bytes;
  const bool fits = index_at >= packed::head_bytes && index_at <= foot_at && images * packed::entry_bytes <= foot_at - index_at &&
                    paths == foot_at - index_at - images * packed::entry_bytes;
  expect(fits, file,
         "is truncated or damaged: {} images, an index at byte {} and {} bytes of paths do not make {} bytes; pack the images again.",
         images, index_at, paths, bytes.size());
  const Bytes table = bytes.subspan(index_at, foot_at - index_at);
  expect(content_checksum(table) == packed::little64(foot, 32), file,
         "is damaged: its index does not match its checksum; pack the images again.");
  const Layout layout{.images = static_cast<std::size_t>(images),
                      .classes = static_cast<std::int64_t>(classes),
                      .index = table.first(images * packed::entry_bytes),
                      .paths = table.subspan(images * packed::entry_bytes)};
  check_entries(layout, index_at, file);
  return layout;
}

}  // namespace

struct PackedFaces::State {
  explicit State(const std::filesystem::path& path)
      : file(path), layout(read_layout(file.bytes(), path.string())), table(layout.images, [this](std::size_t i) { return path_of(i); }) {
    file.expect_random_access();  // the index has been read from its beginning to its end
  }

  std::string_view path_of(std::size_t i) const {
    const std::uint64_t begin = i == 0 ? 0 : packed::entry_at(layout.index, i - 1).path_end;
    return packed::text_of(layout.paths.subspan(begin, packed::entry_at(layout.index, i).path_end - begin));
  }
  std::optional<packed::Entry> find(std::string_view path) const {
    const std::optional<std::size_t> image = table.find(path, [this](std::size_t i) { return path_of(i); });
    if (!image) return std::nullopt;
    return packed::entry_at(layout.index, *image);
  }
  Bytes bytes_of(const packed::Entry& entry) const { return file.bytes().subspan(entry.offset, entry.bytes); }

  MappedFile file;
  Layout layout;
  PathTable table;
};

PackedFaces::PackedFaces(const std::filesystem::path& file) : ImageSource(file), state_(std::make_unique<const State>(file)) {}
PackedFaces::~PackedFaces() = default;

std::int64_t PackedFaces::size() const { return static_cast<std::int64_t>(state_->layout.images); }
std::int64_t PackedFaces::classes() const { return state_->layout.classes; }
std::string_view PackedFaces::path(std::int64_t i) const { return state_->path_of(static_cast<std::size_t>(i)); }
std::int64_t PackedFaces::label(std::int64_t i) const { return packed::entry_at(state_->layout.index, static_cast<std::size_t>(i)).label; }

bool PackedFaces::contains(std::string_view path) const { return state_->find(path).has_value(); }

std::span<const std::byte> PackedFaces::read(std::string_view path, std::string_view name, std::vector<std::byte>&) const {
  const std::optional<packed::Entry> entry = state_->find(path);
  require<DataError>(entry.has_value(), "{} is not in the packed file{}.", name,
                     path_hint(path).empty() ? "; pack a list that names it" : path_hint(path));
  const Bytes bytes = state_->bytes_of(*entry);
  require<DataError>(content_checksum(bytes) == entry->checksum,
                     "{} does not match its checksum: the packed file is damaged; pack the images again.", name);
  return bytes;
}

void PackedFaces::for_each_file_in(const std::unordered_set<std::string>& folders,
                                   const std::function<void(std::string_view path)>& found) const {
  std::string folder;  // paths come in runs of one folder
  bool wanted = false;
  for (std::size_t i = 0; i < state_->layout.images; ++i) {
    const std::string_view path = state_->path_of(i);
    const std::string_view here = path.substr(0, std::min(path.rfind('/'), path.size()));
    if (i == 0 || here != folder) {
      folder = here;
      wanted = folders.contains(folder);
    }
    if (wanted) found(path);
  }
}

std::string PackedFaces::alike(std::string_view path) const {
  const std::string wanted = lower_case(without_ending(path));
  for (std::size_t i = 0; i < state_->layout.images; ++i) {
    const std::string_view other = state_->path_of(i);
    const std::string_view stem = without_ending(other);
    if (stem.size() == wanted.size() && lower_case(stem) == wanted) return std::string(other);
  }
  return {};
}

void PackedFaces::prefetch(std::string_view path) const {
  if (const std::optional<packed::Entry> entry = state_->find(path)) state_->file.prefetch(state_->bytes_of(*entry));
}

FaceList list_packed(std::shared_ptr<const PackedFaces> pack, const ListOptions& options) {
  const PackedFaces& faces = *pack;
  Exclusions exclusions(options.exclude);
  ListBuilder builder(FaceList(std::move(pack)), options.relabel, exclusions);
  std::size_t path_bytes = 0;
  for (std::int64_t i = 0; i < faces.size(); ++i) path_bytes += faces.path(i).size();
  builder.list().reserve(static_cast<std::size_t>(faces.size()), path_bytes);
  for (std::int64_t i = 0; i < faces.size(); ++i) builder.add(faces.path(i), faces.label(i), 0);
  if (!options.relabel && !builder.list().empty())
    // also those that lost their images when they were packed
    builder.list().set_classes(faces.classes());
  FaceList list = builder.finish("the packed file " + faces.place().string());
  exclusions.report(list.notes());
  if (options.classes != 0) list.set_classes(options.classes);
  return list;
}

}  // namespace amnet
