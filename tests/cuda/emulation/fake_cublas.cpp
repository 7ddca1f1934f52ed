// The functions of cuBLAS that cuda/ calls: plain loops, run when the stream reaches them.
#include "fake_cuda.h"

#include <cublas_v2.h>

#include <cstdint>
#include <cstring>
#include <stdexcept>

struct cublasContext {
  cudaStream_t stream = nullptr;
};

namespace {

double element(const void* matrix, cudaDataType_t type, std::int64_t i) {
  if (type == CUDA_R_32F) return static_cast<const float*>(matrix)[i];
  if (type != CUDA_R_16BF) throw std::logic_error("the fake cuBLAS knows f32 and bf16");
  const std::uint32_t bits = std::uint32_t{static_cast<const std::uint16_t*>(matrix)[i]} << 16;
  float value = 0;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

void set_element(void* matrix, cudaDataType_t type, std::int64_t i, float value) {
  if (type == CUDA_R_32F) {
    static_cast<float*>(matrix)[i] = value;
    return;
  }
  std::uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  static_cast<std::uint16_t*>(matrix)[i] = static_cast<std::uint16_t>((bits + 0x7fffU + (bits >> 16 & 1U)) >> 16);
}

cublasStatus_t answer(const char* function) {
  return static_cast<cublasStatus_t>(amnet::fake::enter(function, CUBLAS_STATUS_EXECUTION_FAILED));
}

}  // namespace

extern "C" {

cublasStatus_t cublasCreate_v2(cublasHandle_t* handle) {
  if (const cublasStatus_t error = answer("cublasCreate"); error != CUBLAS_STATUS_SUCCESS) return error;
  *handle = new cublasContext;
  amnet::fake::count_alive("cuBLAS handle", 1);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasDestroy_v2(cublasHandle_t handle) {
  delete handle;
  amnet::fake::count_alive("cuBLAS handle", -1);
  return answer("cublasDestroy");
}
cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, cudaStream_t stream) {
  handle->stream = stream;
  return answer("cublasSetStream");
}
cublasStatus_t cublasSetMathMode(cublasHandle_t, cublasMath_t) { return answer("cublasSetMathMode"); }
const char* cublasGetStatusString(cublasStatus_t) { return "a made-up status"; }

cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t transpose_a, cublasOperation_t transpose_b, int m, int n, int k,
                            const void* alpha, const void* a, cudaDataType_t a_type, int lda, const void* b, cudaDataType_t b_type, int ldb,
                            const void* beta, void* c, cudaDataType_t c_type, int ldc, cublasComputeType_t compute, cublasGemmAlgo_t) {
  if (const cublasStatus_t error = answer("cublasGemmEx"); error != CUBLAS_STATUS_SUCCESS) return error;
  const int a_rows = transpose_a == CUBLAS_OP_N ? m : k, b_rows = transpose_b == CUBLAS_OP_N ? k : n;
  if (m < 1 || n < 1 || k < 1 || lda < a_rows || ldb < b_rows || ldc < m) return CUBLAS_STATUS_INVALID_VALUE;
  // The types in cuBLAS's table of cublasGemmEx: one for both factors; f32 with f32, and bf16 not
  // with the tf32 sums.
  const bool f32 = a_type == CUDA_R_32F && c_type == CUDA_R_32F;
  const bool bf16 = a_type == CUDA_R_16BF && compute != CUBLAS_COMPUTE_32F_FAST_TF32;
  if (a_type != b_type || !(f32 || bf16)) return CUBLAS_STATUS_NOT_SUPPORTED;
  const double scale = *static_cast<const float*>(alpha), keep = *static_cast<const float*>(beta);
  const cudaError_t put = amnet::fake::enqueue(handle->stream, "a product", [=] {
    for (std::int64_t column = 0; column < n; ++column) {
      for (std::int64_t row = 0; row < m; ++row) {
        double sum = 0;
        for (std::int64_t i = 0; i < k; ++i) {
          sum += element(a, a_type, transpose_a == CUBLAS_OP_N ? i * lda + row : row * lda + i) *
                 element(b, b_type, transpose_b == CUBLAS_OP_N ? column * ldb + i : i * ldb + column);
        }
        const std::int64_t place = column * ldc + row;
        const double before = keep == 0 ? 0 : keep * element(c, c_type, place);
        set_element(c, c_type, place, static_cast<float>(scale * sum + before));
      }
    }
  });
  return put == cudaSuccess ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
}

}  // extern "C"
