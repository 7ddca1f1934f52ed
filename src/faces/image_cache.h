// The decoded images of a training set in a GPU's memory, so that a step uploads 17 bytes of each
// image instead of 32 KB, and image_input gathers. The loader still decides which image comes when,
// and which replaces a bad one: the bits are the same.
//
// In a CPU's memory it would gain nothing: an image is decoded in 60 us and trains in milliseconds.
#pragma once

#include <amnet/core/tensor.h>
#include <amnet/faces/loader.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace amnet {

/// Decodes every image of the list once and copies it to its row of `pixels`, u8 (images,H,W,3) in
/// any memory, batch by batch. Returns LoaderOptions::stand_ins: the row of an image that is bad
/// and skipped holds the one that takes its place. `progress` is called with the images done, and
/// may throw to stop. Throws DataError for a bad image that is not to be skipped.
std::shared_ptr<const std::vector<std::int64_t>> cache_images(const FaceList& list, const ReadOptions& options, const Tensor& pixels,
                                                              const std::function<void(std::int64_t done)>& progress);

}  // namespace amnet
