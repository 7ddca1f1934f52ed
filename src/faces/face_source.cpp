#include "image_cache.h"

#include <amnet/core/random.h>
#include <amnet/faces/face_source.h>
#include <amnet/kernels/image_input.h>
#include <amnet/kernels/transfer.h>

#include <utility>

namespace amnet {
namespace {

std::uint64_t fingerprint_of(const FaceList& list) {
  std::uint64_t hash = stream_of("training set");
  for (std::int64_t i = 0; i < list.size(); ++i) {
    hash = (hash ^ stream_of(list.path(i)) ^ static_cast<std::uint64_t>(list.label(i))) * 1099511628211ULL;
  }
  return hash;
}

}  // namespace

FaceSource::FaceSource(FaceList list, LoaderOptions options, FaceInputs inputs)
    : list_(std::move(list)), options_(std::move(options)), inputs_(std::move(inputs)), fingerprint_(fingerprint_of(list_)) {
  options_.first_sample = 0;
}

void FaceSource::seek(std::int64_t cursor) {
  loader_.reset();
  cursor_ = options_.first_sample = cursor;
}

Batch FaceSource::next() {
  if (!loader_) loader_.emplace(list_, options_);
  FaceBatch faces = loader_->next();
  cursor_ = faces.first_sample + faces.labels.count();
  const Tensor images = held_.defined() ? Tensor::of<std::int64_t>(faces.labels.shape(), faces.indices) : faces.pixels;
  return {.tensors = {{held_.defined() ? "indices" : "pixels", images}, {"mirrored", faces.mirrored}, {"labels", faces.labels}},
          .samples = std::move(faces.indices)};
}

void FaceSource::feed(Device& device, const Batch& batch, std::span<const Tensor> there, const Plan& plan) const {
  const Tensor images = plan.value(inputs_.images).slice(0, batch.size()), labels = plan.value(inputs_.labels).slice(0, batch.size());
  on(device, [&](auto& backend) {
    const ImagePixels pixels = held_.defined() ? ImagePixels(held_, there[0]) : ImagePixels(there[0]);
    image_input(backend, {options_.format.mean, options_.format.scale}, pixels, there[1], images);
    copy(backend, there[2], labels);
  });
}

Options FaceSource::facts() const {
  Options facts;
  facts.set("images", {list_.size()});
  facts.set("classes", {list_.classes()});
  return facts;
}

void FaceSource::hold(Memory memory, const std::function<void(std::int64_t done)>& progress) {
  held_ = Tensor({list_.size(), options_.format.height, options_.format.width, 3}, DType::u8, memory);
  const ReadOptions reading{
      .format = options_.format, .workers = options_.workers, .bad_images = options_.bad_images, .on_bad_image = options_.on_bad_image};
  options_.stand_ins = cache_images(list_, reading, held_, progress);
  loader_.reset();
}

}  // namespace amnet
