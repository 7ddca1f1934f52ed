#include "check.h"

namespace amnet {
namespace {

// The file's name without the folders of the machine where it was compiled.
std::string_view file_of(const std::source_location& where) {
  const std::string_view path = where.file_name();
  return path.substr(path.find_last_of('/') + 1);
}

template <class E>
[[noreturn]] void fail(std::string_view call, std::string_view library, std::string_view reason, const std::source_location& where) {
  throw E(fmt::format("[cuda] {} failed at {}:{}: {} says \"{}\".", call, file_of(where), where.line(), library, reason));
}

}  // namespace

void check(cudaError_t answer, std::string_view call, std::source_location where) {
  if (answer == cudaSuccess) [[likely]]
    return;
  // Clears the error: libraries that read the last error after their own launches must not see this
  // one.
  static_cast<void>(cudaGetLastError());
  if (answer == cudaErrorMemoryAllocation) fail<MemoryError>(call, "CUDA", cudaGetErrorString(answer), where);
  fail<DeviceError>(call, "CUDA", cudaGetErrorString(answer), where);
}

void check(cublasStatus_t answer, std::string_view call, std::source_location where) {
  if (answer == CUBLAS_STATUS_SUCCESS) [[likely]]
    return;
  fail<DeviceError>(call, "cuBLAS", cublasGetStatusString(answer), where);
}

void check(cudnnStatus_t answer, std::string_view call, std::source_location where) {
  if (answer == CUDNN_STATUS_SUCCESS) [[likely]]
    return;
  // The last error message says more than the status; it is empty where cuDNN has nothing to add.
  char message[512] = "";
  cudnnGetLastErrorString(message, sizeof message);
  fail<DeviceError>(call, "cuDNN", fmt::format("{}{}{}", cudnnGetErrorString(answer), message[0] == '\0' ? "" : ": ", message), where);
}

}  // namespace amnet
