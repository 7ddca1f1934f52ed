// A whole training set in one file: the bytes of the image files as they were, with their paths,
// labels and checksums. A set that is read many times is opened once instead of file by file,
// copied as one file, and damage to it is detected.
//
//   write_durably("faces.pack", [&](const ByteSink& sink) { write_packed_faces(list, {}, sink); });
//   FaceList packed = list_packed(std::make_shared<PackedFaces>("faces.pack"));   // then as any other list
//
// The format, version 1. Numbers are little-endian and unsigned, checksums are XXH3 of 64 bits
// (seed 0), offsets count from the file's start:
//   at             bytes     what
//   0              8         "AMNETPAK"
//   8              4         version, 1
//   12             4         0
//   16             …         the image files, one after the other, without gaps
//   index          32 n      for each image: offset (8), checksum (8), where its path ends among the paths (8), bytes (4), label (4)
//   index + 32 n   p         the paths, one after the other: relative, '/' between their parts
//   end - 56       56        n (8), index (8), p (8), classes (8), checksum of index and paths (8),
//                            checksum of the first 16 bytes and the 40 before this (8), "AMNETEND"
// What is known last is written last, so that a set of any size is written in one pass, also into a
// pipe. There is no compression (a JPEG is already compressed), there are no decoded pixels, and
// nothing can be appended.
#pragma once

#include <amnet/core/image_format.h>
#include <amnet/core/processors.h>
#include <amnet/data/image_source.h>
#include <amnet/faces/face_list.h>
#include <amnet/faces/loader.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace amnet {

/// A packed file, mapped into memory: it may be larger than memory, and threads and processes share
/// what is read. While it is open it may be replaced by renaming, as write_durably does, but not be
/// changed in place.
class PackedFaces final : public ImageSource {
 public:
  /// Checks the index against its checksum and every entry against the file's size; images are
  /// checked when they are read. Throws DataError "<file> ..." for a file that is missing, is not a
  /// packed file, or is of another version, truncated or damaged.
  explicit PackedFaces(const std::filesystem::path& file);
  ~PackedFaces() override;

  /// In [1, 2^32).
  std::int64_t size() const;
  /// In [1, 2^31], as in the list that was packed.
  std::int64_t classes() const;
  /// Of image i in [0, size()), in the order of the list.
  std::string_view path(std::int64_t i) const;
  /// In [0, classes()).
  std::int64_t label(std::int64_t i) const;

  /// If several images have the same path, these use the first.
  bool contains(std::string_view path) const override;
  void for_each_file_in(const std::unordered_set<std::string>& folders,
                        const std::function<void(std::string_view path)>& found) const override;
  std::string alike(std::string_view path) const override;
  std::span<const std::byte> read(std::string_view path, std::string_view name, std::vector<std::byte>& buffer) const override;
  void prefetch(std::string_view path) const override;

 private:
  struct State;
  std::unique_ptr<const State> state_;
};

/// The pack's list: the same paths and labels as the list that was packed, so batches and resumed
/// runs are the same. Throws DataError when options.exclude leaves no image.
FaceList list_packed(std::shared_ptr<const PackedFaces> pack, const ListOptions& options = {});

struct PackOptions {
  /// every image is decoded and must have this size; the channel order does not matter
  ImageFormat format = {};
  /// skip: an image that cannot be used is left out; its label stays one of the classes
  BadImages bad_images = BadImages::fail;
  int workers = default_workers();  ///< reading and decoding threads; no effect on the file
  /// called for each image that is left out
  std::function<void(const BadImage&)> on_bad_image = {};
  /// images done and images in all, on the calling thread
  std::function<void(std::int64_t, std::int64_t)> progress = {};
};

struct PackSummary {
  std::int64_t images = 0;   ///< in the pack
  std::int64_t skipped = 0;  ///< left out
  std::uint64_t bytes = 0;   ///< of the packed file
};

/// What write_packed_faces() holds until the end of the file: the index, and the paths twice when
/// it is written.
std::size_t packed_index_bytes(const FaceList& list);

/// Packs every image of the list, in its order, passing the file to `sink` piece by piece; only the
/// index is held in memory. Throws DataError for a bad image (see PackOptions::bad_images) or when
/// no image is good, and what the sink throws.
PackSummary write_packed_faces(const FaceList& list, const PackOptions& options,
                               const std::function<void(std::span<const std::byte>)>& sink);

}  // namespace amnet
