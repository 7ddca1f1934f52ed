#include "fusion.h"

#include "fused_conv2d.h"

#include <amnet/layers/add.h>

namespace amnet {

std::unique_ptr<Layer> fuse(std::span<Layer* const> chain, std::size_t inputs) {
  if (chain.size() < 2 || chain.size() > 3) return nullptr;
  auto* convolution = dynamic_cast<Conv2d*>(chain[0]);
  auto* prelu = dynamic_cast<PRelu*>(chain[1]);
  const bool adds = chain.size() == 3;
  if (convolution == nullptr || prelu == nullptr || (adds && dynamic_cast<Add*>(chain[2]) == nullptr)) return nullptr;
  if (inputs != (adds ? 2U : 1U)) return nullptr;
  return std::make_unique<FusedConv2d>(*convolution, *prelu, adds);
}

}  // namespace amnet
