// Where the bytes of image files lie, each under its relative path: in a folder, or in one packed
// file (packed_faces.h). Lists, loaders and pairs use only the paths, so that training from a
// folder and from its pack gives the same bits.
//
//   std::shared_ptr<const ImageSource> images = image_folder("faces");
//   std::vector<std::byte> buffer;
//   std::span<const std::byte> file = images->read("ann/01.jpg", "faces/ann/01.jpg", buffer);
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

namespace amnet {

/// Every method may be called by several threads at once.
class ImageSource {
 public:
  explicit ImageSource(std::filesystem::path place) : place_(std::move(place)) {}
  virtual ~ImageSource() = default;
  ImageSource(const ImageSource&) = delete;
  ImageSource& operator=(const ImageSource&) = delete;

  /// The folder or the packed file. Messages name an image as place() / path, for a pack too:
  /// "faces.pack/ann/01.jpg".
  const std::filesystem::path& place() const { return place_; }
  /// Whether there is a file of this path.
  virtual bool contains(std::string_view path) const = 0;
  /// Calls `found` for every file that lies directly in one of `folders` (such as "ann"), with its
  /// path, in no order.
  virtual void for_each_file_in(const std::unordered_set<std::string>& folders,
                                const std::function<void(std::string_view path)>& found) const = 0;
  /// A path that exists and differs from `path`, which does not exist, only in the case of its
  /// letters or in its ending; empty when there is none.
  virtual std::string alike(std::string_view path) const = 0;
  /// The bytes of an image file, at least one: in `buffer`, or in memory of the source, which
  /// outlives the call. Throws DataError "<name> <reason>" where they cannot be read or differ from
  /// what was packed.
  virtual std::span<const std::byte> read(std::string_view path, std::string_view name, std::vector<std::byte>& buffer) const = 0;
  /// Announces that read(path) follows soon, so that the disk can start to read. A cheap call, and
  /// only a hint.
  virtual void prefetch(std::string_view path) const = 0;

 private:
  std::filesystem::path place_;
};

/// The files below `root`. No file is checked before it is read.
std::shared_ptr<const ImageSource> image_folder(std::filesystem::path root);

/// Throws DataError unless `root` is a folder.
void require_image_folder(const std::filesystem::path& root);

}  // namespace amnet
