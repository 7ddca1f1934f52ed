#include "state.h"

#include "conv2d_plans.h"
#include "profile.h"

namespace amnet {
namespace {

Stream new_stream() {
  cudaStream_t stream = nullptr;
  check(cudaStreamCreate(&stream), "cudaStreamCreate");
  return Stream(stream);
}

BlasHandle new_blas(cudaStream_t stream, ProductPrecision precision) {
  cublasHandle_t created = nullptr;
  check(cublasCreate(&created), "cublasCreate");
  BlasHandle handle(created);
  check(cublasSetStream(handle, stream), "cublasSetStream");
  // By default cuBLAS may round f32 to tf32, and parts of a sum to the type of a bf16 output.
  const cublasMath_t mode = precision == ProductPrecision::f32 ? CUBLAS_PEDANTIC_MATH : CUBLAS_TF32_TENSOR_OP_MATH;
  check(cublasSetMathMode(handle, static_cast<cublasMath_t>(mode | CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION)), "cublasSetMathMode");
  return handle;
}

DnnHandle new_dnn(cudaStream_t stream) {
  cudnnHandle_t created = nullptr;
  check(cudnnCreate(&created), "cudnnCreate");
  DnnHandle handle(created);
  check(cudnnSetStream(handle, stream), "cudnnSetStream");
  return handle;
}

}  // namespace

int cuda_devices() {
  int count = 0;
  if (cudaGetDeviceCount(&count) == cudaSuccess) return count;
  // There is no driver, or it is too old for this build: then there is no usable GPU, and the error
  // must not be reported by a later call.
  static_cast<void>(cudaGetLastError());
  return 0;
}

CudaState::CudaState(CudaOptions chosen) : options(chosen) {
  const int devices = cuda_devices();
  require(devices > 0, "[cuda] expected a GPU but found none, or no driver for this build (CUDA {}.{}); use .device cpu.",
          CUDART_VERSION / 1000, CUDART_VERSION % 1000 / 10);
  require(chosen.index >= 0 && chosen.index < devices, "[cuda] expected a GPU from 0 to {} but got {}; name one of those, or .device cpu.",
          devices - 1, chosen.index);
  check(cudaSetDevice(chosen.index), "cudaSetDevice");
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, chosen.index), "cudaGetDeviceProperties");
  name = properties.name;
  multiprocessors = properties.multiProcessorCount;
  require(properties.major >= 8, "[cuda] expected a GPU of compute capability 8.0 or later but {} has {}.{}; use .device cpu.", name,
          properties.major, properties.minor);
  free_at_first = device_memory().free;
  stream = new_stream();
  blas = new_blas(stream, chosen.precision);
  dnn = new_dnn(stream);
  convolutions = std::make_unique<ConvolutionPlans>();
}

CudaState::~CudaState() = default;

std::byte* CudaState::scratch(std::size_t bytes) {
  if (scratch_bytes < bytes) {
    scratch_memory.reset();  // cudaFree waits for the work that uses it
    scratch_bytes = 0;
    scratch_memory = allocate(Memory::cuda, bytes);
    scratch_bytes = bytes;
  }
  return scratch_memory.get();
}

Cuda::Cuda(CudaOptions options) : state_(std::make_shared<CudaState>(options)) {}

const CudaOptions& Cuda::options() const { return state_->options; }
const std::string& Cuda::name() const { return state_->name; }
std::size_t Cuda::scratch_bytes() const { return state_->scratch_bytes; }

std::size_t Cuda::taken_bytes() const {
  const std::size_t free_now = device_memory().free;
  return state_->free_at_first > free_now ? state_->free_at_first - free_now : 0;
}

std::string Cuda::libraries() const {
  int driver = 0;
  check(cudaDriverGetVersion(&driver), "cudaDriverGetVersion");
  const std::size_t dnn = cudnnGetVersion();  // 91900 is 9.19.0
  return fmt::format("CUDA {}.{} (driver: {}.{}), cuDNN {}.{}.{}", CUDART_VERSION / 1000, CUDART_VERSION % 1000 / 10, driver / 1000,
                     driver % 1000 / 10, dnn / 10000, dnn / 100 % 100, dnn % 100);
}

void Cuda::time_kernels(bool on) { state_->profile = on ? std::make_unique<Profile>(state_->stream) : nullptr; }
std::vector<KernelTime> Cuda::kernel_times() { return state_->profile == nullptr ? std::vector<KernelTime>{} : state_->profile->times(); }
void Cuda::count(const std::string& name) { ++state_->counts[name]; }
const std::map<std::string, std::int64_t>& Cuda::counts() const { return state_->counts; }
void Cuda::wait() { check(cudaStreamSynchronize(state_->stream), "cudaStreamSynchronize"); }

}  // namespace amnet
