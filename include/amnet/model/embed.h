// From image files to embeddings, with the image format that the model states. Threads decode the
// next images while these are computed.
//
//   Embedder embedder(load_model("runs/a/last", {.until = Until::embedding}));
//   const Views views = embedder.embed(device, {.root = "faces", .paths = paths});
//   const Tensor features = combine(views, FlipMode::sum);
#pragma once

#include <amnet/core/image_format.h>
#include <amnet/core/processors.h>
#include <amnet/data/image_source.h>
#include <amnet/model/model.h>
#include <amnet/net/plan.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace amnet {

/// The embedding of each image and of its mirror image, (images, D) of f32; row i belongs to path
/// i.
struct Views {
  Tensor plain;
  Tensor mirrored;  ///< undefined when not asked for
  /// nonzero where an image could not be read and bad images are skipped: its rows are zero
  std::vector<std::uint8_t> failed;
  std::vector<std::string> reasons;  ///< one sentence for each failed image
};

/// How the two views become one feature.
enum class FlipMode : unsigned char { none, sum, concat };
constexpr std::array<std::string_view, 3> names_of(FlipMode) { return {"none", "sum", "concat"}; }

struct EmbedRequest {
  std::filesystem::path root = {};  ///< the folder of the images
  /// where they lie instead, such as in a packed file
  std::shared_ptr<const ImageSource> images = {};
  std::span<const std::string> paths;  ///< relative to root
  /// Names an image in messages, with its list and line; empty: by its file. The threads that
  /// decode call it, also concurrently.
  std::function<std::string(std::size_t index)> where = {};
  bool mirrored = true;
  bool skip_bad_images = false;     ///< else a bad image throws DataError
  int workers = default_workers();  ///< threads that decode; no effect on the embeddings
  std::function<void(std::int64_t done, std::int64_t all)> progress = {};
};

class Embedder {
 public:
  /// Throws UsageError for a model that does not say which value is its embedding, (N,D), and what
  /// it expects of images.
  explicit Embedder(Model model, std::int64_t batch = 64);
  /// Embeds with a net of the caller, which is not copied: later training takes effect at once. It
  /// must outlive this. Its parameters are not prepared for many calls, which would take memory,
  /// and so are computed in f32 on a CPU of bf16 too.
  Embedder(const Net& net, Roles roles, std::int64_t batch = 64);

  /// A model moves to the device, and into its dtype, at the first call with it. Throws DataError
  /// for an image that cannot be read or has another size, unless it is to be skipped,
  /// NonFiniteError naming the image and the model where an embedding is not finite. An embedding
  /// does not depend on the other images, but its last bits do on the batch: the algorithms are
  /// chosen for it.
  Views embed(Device& device, const EmbedRequest& request);

  /// What it expects of an image.
  const ImageFormat& format() const { return model_.roles.image->format; }
  /// D, the values of an embedding.
  std::int64_t size() const { return net().spec(embedding_).shape[1]; }
  /// Makes the plan that embed() uses, and returns its bytes.
  std::size_t planned_bytes();
  /// What that plan will take, without taking it.
  PlanBytes measure(Device& device) const;
  /// Bytes of the decoded images that are held at a time, for so many images in total.
  std::size_t decoded_bytes(std::int64_t images, int workers) const;

 private:
  const Net& net() const { return of_others_ != nullptr ? *of_others_ : model_.net; }
  void find_values();
  PlanOptions options(std::int64_t batch) const;
  void fit(const Device& device);
  void plan(std::int64_t batch);

  Model model_;
  const Net* of_others_ = nullptr;  // in the place of the model's
  Value images_, embedding_;
  std::int64_t batch_;
  std::optional<Plan> plan_;
};

/// The pixels themselves as features, minus the format's mean: the baseline that every model must
/// exceed. (images, H*W*3) Both views are the image as it is, so that either protocol compares
/// images without mirroring.
Views pixel_views(const ImageFormat& format, EmbedRequest request);

/// (images, D) for none and sum, (images, 2D) for concat; with rows of length 1 where `normalise`
/// is set. Throws NonFiniteError for a sum beyond f32.
Tensor combine(const Views& views, FlipMode flip, bool normalise = false);

}  // namespace amnet
