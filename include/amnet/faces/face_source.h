// Faces as the batches of a training run: a loader decodes them, and the device converts the bytes
// to numbers.
//
//   Model model = face_network({.depth = 20, .width = 0.25});
//   FaceList list = list_folder("faces");
//   add_head(model, {.classes = list.classes()});
//   FaceSource source(list, {.batch = 256, .seed = 1});
//   Trainer trainer(device, model, source, {.steps = 30000});
#pragma once

#include <amnet/faces/loader.h>
#include <amnet/train/batch_source.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace amnet {

/// The inputs of a net that images and labels go to, by name.
struct FaceInputs {
  std::string images = "data";
  std::string labels = "labels";
};

/// Feeds the images and labels of a list to a net.
class FaceSource final : public BatchSource {
 public:
  /// The loader's options; seek() sets the sample where it begins. Nothing is decoded before the
  /// first batch is requested.
  FaceSource(FaceList list, LoaderOptions options, FaceInputs inputs = {});

  Batch next() override;
  std::int64_t batch() const override { return options_.batch; }
  std::int64_t epoch() const override { return list_.size(); }
  void feed(Device& device, const Batch& batch, std::span<const Tensor> there, const Plan& plan) const override;
  std::int64_t cursor() const override { return cursor_; }
  void seek(std::int64_t cursor) override;
  /// A function of paths and labels: the same list elsewhere, or in a packed file, has the same
  /// fingerprint.
  std::uint64_t fingerprint() const override { return fingerprint_; }
  Options facts() const override;
  std::string remedy() const override { return "give the list (.root and .train_list, or .pack) and .classes as before"; }
  std::string where(std::int64_t sample) const override { return list_.where(sample); }

  const FaceList& list() const { return list_; }
  /// Decodes every image once into the memory of a device, which holds them from then on: batches
  /// contain indices instead of pixels. The bytes that the net sees are the same. `progress` is
  /// called with the images done, and may throw to stop.
  void hold(Memory memory, const std::function<void(std::int64_t done)>& progress);

 private:
  FaceList list_;
  LoaderOptions options_;
  FaceInputs inputs_;
  std::uint64_t fingerprint_;  // of millions of paths: computed once, not for every state
  std::optional<Loader> loader_;
  Tensor held_;  // u8 (images,H,W,3), of the whole list
  std::int64_t cursor_ = 0;
};

}  // namespace amnet
