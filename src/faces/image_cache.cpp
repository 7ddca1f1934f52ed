#include "image_cache.h"

namespace amnet {

std::shared_ptr<const std::vector<std::int64_t>> cache_images(const FaceList& list, const ReadOptions& options, const Tensor& pixels,
                                                              const std::function<void(std::int64_t done)>& progress) {
  auto stand_ins = std::make_shared<std::vector<std::int64_t>>();
  stand_ins->reserve(static_cast<std::size_t>(list.size()));
  for_each_batch(list, options, [&](const FaceBatch& batch) {
    const std::int64_t done = batch.first_sample + batch.labels.count();
    pixels.slice(batch.first_sample, done).copy_from(batch.pixels);
    stand_ins->insert(stand_ins->end(), batch.indices.begin(), batch.indices.end());
    progress(done);
  });
  return stand_ins;
}

}  // namespace amnet
