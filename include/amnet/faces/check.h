// Checks every image of a list before hours are spent on training.
//
//   CheckReport report = check_data(list, {.height = 112, .width = 96}, {.workers = 4});
//   for (const Finding& finding : report.findings) fmt::print("{}\n", finding.message);
#pragma once

#include <amnet/core/image_format.h>
#include <amnet/core/processors.h>
#include <amnet/faces/face_list.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace amnet {

/// unreadable: missing, empty or impossible to open. damaged: truncated, or of a kind that amnet
/// refuses. duplicate: the same bytes as an earlier file. listed_twice: the same path as an earlier
/// line.
enum class Problem : unsigned char { unreadable, damaged, wrong_size, duplicate, listed_twice };
constexpr std::array<std::string_view, 5> names_of(Problem) { return {"unreadable", "damaged", "wrong size", "duplicate", "listed twice"}; }

struct Finding {
  std::int64_t image;  // a position in the list
  std::int64_t other;  // the earlier image of a duplicate; -1 for other problems
  Problem problem;
  std::string message;  // one sentence with the list's line, the file and what is wrong
};

struct CheckReport {
  std::int64_t images = 0;
  std::int64_t good = 0;  // images without any finding
  // images that can be decoded, though with a warning of the decoder (Image::warnings)
  std::int64_t warned = 0;
  std::int64_t classes = 0;
  std::int64_t identities = 0;                    // labels that some image has
  std::int64_t single_images = 0;                 // identities with one image
  std::int64_t fewest = 0, median = 0, most = 0;  // images per identity
  UnusedLabels unused;
  std::vector<Finding> findings;  // in the list's order

  std::int64_t count(Problem problem) const;
};

struct CheckOptions {
  int workers = default_workers();
  /// Called on the calling thread with the images done and the images in all.
  std::function<void(std::int64_t, std::int64_t)> progress = {};
};

/// Reads and decodes every image. Two files are the same when the 128-bit XXH3 hashes of their
/// bytes are.
CheckReport check_data(const FaceList& list, const ImageFormat& format, const CheckOptions& options = {});

}  // namespace amnet
