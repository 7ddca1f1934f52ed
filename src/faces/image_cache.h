// The decoded images of a training set in a GPU's memory, so that a step brings 17 bytes of each
// image in the place of 32 KB, and image_input gathers. Which image comes when, and which stands in
// for a bad one, is the loader's to say as ever: the bits are the same.
//
// In a CPU's memory it would win nothing: an image is decoded in 60 us and trains in milliseconds.
#pragma once

#include <amnet/core/tensor.h>
#include <amnet/faces/loader.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace amnet {

/// Decodes every image of the list once and brings it to its row of `pixels`, u8 (images,H,W,3) in
/// any memory, batch by batch. Answers LoaderOptions::stand_ins: the row of an image that is bad
/// and skipped holds the one that takes its place. `progress` is told the images done, and may
/// throw to end it. Throws DataError for a bad image that is not to be skipped.
std::shared_ptr<const std::vector<std::int64_t>> cache_images(const FaceList& list, const ReadOptions& options, const Tensor& pixels,
                                                              const std::function<void(std::int64_t done)>& progress);

}  // namespace amnet
