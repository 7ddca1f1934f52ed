// Which chains of layers run as one step. The net finds chains; this file decides which can be
// fused.
//
//   Layer* const chain[] = {&conv, &prelu, &add};
//   const std::unique_ptr<Layer> one = fuse(chain, 2);   // of the image and the residual; null where these do not fuse
#pragma once

#include <amnet/layers/layer.h>

#include <memory>
#include <span>

namespace amnet {

/// A layer that does what the chain does, each layer reading the only output of the one before it;
/// nullptr where there is none. `inputs`: how many values the chain reads from outside, those of
/// its first layer and then the others' further ones, in order. The layers of the chain keep their
/// parameters and must outlive it.
std::unique_ptr<Layer> fuse(std::span<Layer* const> chain, std::size_t inputs);

}  // namespace amnet
