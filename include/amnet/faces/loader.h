// Batches of face images, decoded by threads while the model computes. The bytes of a batch are a
// function of (list, seed, sample number) alone, not of the number of workers; the device turns
// bytes into numbers and mirrors (image_input).
//
//   Loader loader(list, {.batch = 256, .seed = 1, .workers = 4, .first_sample = 512});   // after two batches
//   for (int step = 2; step < 4; ++step) {
//     const FaceBatch batch = loader.next();
//     fmt::print("{} faces from {} on\n", batch.labels.count(), batch.first_sample);
//   }
#pragma once

#include <amnet/core/image_format.h>
#include <amnet/core/processors.h>
#include <amnet/core/tensor.h>
#include <amnet/data/augment.h>
#include <amnet/data/sampler.h>
#include <amnet/faces/face_list.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace amnet {

struct FaceBatch {
  // u8 (N,H,W,3), channels in the format's order; undefined where they are held elsewhere
  Tensor pixels;
  Tensor mirrored;                    // u8 (N): 1 where the image is to be flipped left to right
  Tensor labels;                      // i64 (N), in [0, classes)
  std::vector<std::int64_t> indices;  // (N): positions in the list
  std::int64_t first_sample = 0;      // number of the first sample since the beginning of training
};

/// An image that cannot be used: missing, damaged, of a kind that is refused, or of the wrong size.
struct BadImage {
  std::int64_t image;  // its position in the list
  std::string reason;  // one sentence with the list's line, the file and why
};

/// fail: a bad image ends the run. skip: its place is taken by the next good image of the list
/// (cyclically), which is then used once more in that epoch; lists keep an identity's images
/// together, so it is mostly the same person.
enum class BadImages : unsigned char { fail, skip };
constexpr std::array<std::string_view, 2> names_of(BadImages) { return {"fail", "skip"}; }

struct LoaderOptions {
  std::int64_t batch = 256;
  ImageFormat format = {};
  std::uint64_t seed = 0;
  bool shuffle = true;
  Sampling sampling = Sampling::shuffle;  // balanced: the labels are the people
  bool mirror = true;
  Augmentation augmentation = {};
  int workers = default_workers();
  int queue = 4;                  // batches that are decoded ahead
  std::int64_t first_sample = 0;  // where to continue after a resume
  BadImages bad_images = BadImages::fail;
  // with skip: fail when more than this share of the list is bad, in [0,1]
  double max_bad_share = 1;
  // called once for each bad image, from next(), before its batch is returned
  std::function<void(const BadImage&)> on_bad_image = {};
  /// Where all pixels are already held elsewhere: for each image of the list the one that replaces
  /// it, itself unless it is bad (see for_each_batch). Batches are the same, but without pixels,
  /// and no file is read. Not with augmentation, which changes the pixels each time.
  std::shared_ptr<const std::vector<std::int64_t>> stand_ins = {};
};

/// Batches of one size without end: they continue over the end of an epoch, in which each good
/// image comes exactly once (see BadImages::skip for the exception, and Sampler for balanced
/// people). Destroying a loader stops its
/// threads at once, also with a full queue.
class Loader {
 public:
  /// Starts the workers. Throws UsageError for options out of range or an empty list.
  Loader(FaceList list, const LoaderOptions& options);
  ~Loader();
  Loader(Loader&&) noexcept;
  Loader& operator=(Loader&&) noexcept;

  /// The next batch. Throws DataError naming the list line when a bad image ends the run (again at
  /// every later call).
  FaceBatch next();

  const FaceList& list() const;
  /// Bad images found up to the last batch that next() returned, in the order they were found, each
  /// once.
  const std::vector<BadImage>& bad_images() const;
  /// Seconds that next() has waited for the workers so far.
  double wait_seconds() const;
  /// The memory of `batches` batches: a loader holds up to `queue` of them.
  static std::int64_t bytes_of(const LoaderOptions& options, std::int64_t batches);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

struct ReadOptions {
  std::int64_t batch = 64;
  ImageFormat format = {};
  int workers = default_workers();
  BadImages bad_images = BadImages::fail;
  // called once for each bad image, before its batch is passed on
  std::function<void(const BadImage&)> on_bad_image = {};
};

/// Calls body with every image of the list once, in the list's order and unmirrored; the last batch
/// may be smaller. The body runs on the calling thread. Throws DataError at the first bad image;
/// with skip, the batch has the image that the loader would take instead, and its indices show
/// this.
void for_each_batch(const FaceList& list, const ReadOptions& options, const std::function<void(const FaceBatch&)>& body);

}  // namespace amnet
