// A launch that every GPU refuses, through the function that launches all kernels.
#pragma once

#include <amnet/core/device.h>

namespace amnet {

/// Throws the error of the launch.
void launch_badly(Cuda& cuda);

}  // namespace amnet
