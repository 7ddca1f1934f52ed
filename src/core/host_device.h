// AMNET_HOST_DEVICE marks a function that the kernels of a GPU (cuda/) call as well as the host.
#pragma once

#if defined(__CUDACC__)
#define AMNET_HOST_DEVICE __host__ __device__
#else
#define AMNET_HOST_DEVICE
#endif
