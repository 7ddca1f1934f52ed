// The decoded images of a training set in a GPU's memory, so that a step brings indices in the place of pixels.
#pragma once

#include <amnet/core/tensor.h>
#include <amnet/faces/loader.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace amnet {

/// Decodes every image of the list once and brings it to its row of `pixels`, u8 (images,H,W,3) in any memory, batch by batch. Answers
/// LoaderOptions::stand_ins: the row of an image that is bad and skipped holds the one that takes its place. `progress` is told the images
/// done, and may throw to end it. Throws DataError for a bad image that is not to be skipped.
std::shared_ptr<const std::vector<std::int64_t>> cache_images(const FaceList& list, const ReadOptions& options, const Tensor& pixels,
                                                              const std::function<void(std::int64_t done)>& progress);

}  // namespace amnet
