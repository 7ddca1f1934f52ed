// What a Cuda holds: the GPU, one stream for all of its work, the handles of cuBLAS and cuDNN on
// that stream, and scratch memory. All work runs in the order of the stream, so the next kernel can
// use memory that an earlier one has used, without waiting on the host.
//
// The stream is an ordinary one, not cudaStreamNonBlocking: so copies without a stream
// (Tensor::copy_from) come after all work that was begun before them, and before all work that is
// begun later.
#pragma once

#include "check.h"

#include <amnet/core/device.h>
#include <amnet/core/tensor.h>

#include <map>
#include <memory>
#include <string>
#include <type_traits>

namespace amnet {

/// A handle of a library, released by `destroy`.
template <class Handle, auto destroy>
class Owned {
 public:
  Owned() = default;
  explicit Owned(Handle handle) : handle_(handle) {}
  operator Handle() const { return handle_.get(); }

 private:
  struct Destroy {
    using pointer = Handle;
    void operator()(Handle handle) const { static_cast<void>(destroy(handle)); }
  };
  std::unique_ptr<std::remove_pointer_t<Handle>, Destroy> handle_;
};
using Stream = Owned<cudaStream_t, cudaStreamDestroy>;
using Event = Owned<cudaEvent_t, cudaEventDestroy>;
using BlasHandle = Owned<cublasHandle_t, cublasDestroy>;
using DnnHandle = Owned<cudnnHandle_t, cudnnDestroy>;

struct ConvolutionPlans;  // conv2d_plans.h
class Profile;            // profile.h

struct CudaState {
  explicit CudaState(CudaOptions chosen);
  ~CudaState();
  CudaState(const CudaState&) = delete;
  CudaState& operator=(const CudaState&) = delete;

  /// Memory for `bytes`, aligned to 256, until the next call: later work may overwrite what earlier
  /// work put there. It grows as needed and is kept.
  std::byte* scratch(std::size_t bytes);
  template <class T>
  T* scratch_of(std::int64_t count) {
    return reinterpret_cast<T*>(scratch(static_cast<std::size_t>(count) * sizeof(T)));
  }

  CudaOptions options;
  std::string name;
  int multiprocessors = 0;
  std::size_t free_at_first = 0;  // bytes of GPU memory that were free before this took any
  Stream stream;
  BlasHandle blas;
  DnnHandle dnn;
  std::shared_ptr<std::byte> scratch_memory;
  std::size_t scratch_bytes = 0;
  std::map<std::string, std::int64_t> counts;
  std::unique_ptr<ConvolutionPlans> convolutions;
  std::unique_ptr<Profile> profile;  // where kernels are timed
};

/// The elements of a tensor in the GPU's memory. Throws UsageError naming `who` for another dtype
/// or memory.
template <class T>
T* elements(const Tensor& tensor, std::string_view who) {
  require(tensor.memory() == Memory::cuda, "[{}] expected a tensor in the GPU's memory but {} lies in the host's; bring it over first.",
          who, tensor.shape());
  require(tensor.dtype() == dtype_of<std::remove_const_t<T>>(), "[{}] expected {} but got a tensor {} of {}.", who,
          name_of(dtype_of<std::remove_const_t<T>>()), tensor.shape(), name_of(tensor.dtype()));
  return reinterpret_cast<T*>(tensor.raw());
}
/// nullptr for a tensor that is not given.
template <class T>
T* elements_or_null(const Tensor& tensor, std::string_view who) {
  return tensor.defined() ? elements<T>(tensor, who) : nullptr;
}

/// Calls `body.operator()<T>()` with T = float or BFloat16, the types of activations on a GPU.
template <class Body>
void with_activation(DType dtype, std::string_view who, Body&& body) {
  if (dtype == DType::f32) {
    body.template operator()<float>();
  } else {
    require(dtype == DType::bf16, "[{}] expected a tensor of f32 or bf16 on a GPU but got {}.", who, name_of(dtype));
    body.template operator()<BFloat16>();
  }
}

}  // namespace amnet
