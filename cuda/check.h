// Every status that CUDA, cuBLAS and cuDNN return is checked: an error names the call, its place in
// the source and the library's message.
//
//   check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream), "cudaMemcpyAsync");
#pragma once

#include <amnet/core/error.h>

#include <cublas_v2.h>
#include <cuda_runtime_api.h>
#include <cudnn.h>

#include <source_location>
#include <string_view>

namespace amnet {

/// Throws DeviceError unless `answer` is success; MemoryError where the GPU is out of memory.
void check(cudaError_t answer, std::string_view call, std::source_location where = std::source_location::current());
void check(cublasStatus_t answer, std::string_view call, std::source_location where = std::source_location::current());
void check(cudnnStatus_t answer, std::string_view call, std::source_location where = std::source_location::current());

}  // namespace amnet
