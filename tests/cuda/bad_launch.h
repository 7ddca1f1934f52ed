// A launch that every GPU refuses, through the function that launches all kernels.
#pragma once

#include <amnet/core/device.h>

namespace amnet {

/// Throws what the launch throws.
void launch_badly(Cuda& cuda);

}  // namespace amnet
