// A libcuda.so.1 for machines without a driver: cuDNN calls it when it compiles a kernel, and then
// to load the kernel. The calls that finalising such a plan needs are answered, with the
// description of an H100; everything else returns that this is a stub (34).
#include <cuda.h>

#include <cstddef>
#include <cstring>

#undef cuGetProcAddress

namespace {

CUresult refuse() { return CUDA_ERROR_STUB_LIBRARY; }

// The target of handles; its contents are not used.
int dummy = 0;
template <class Handle>
CUresult give(Handle* handle) {
  *handle = reinterpret_cast<Handle>(&dummy);
  return CUDA_SUCCESS;
}

struct Attribute {
  CUdevice_attribute name;
  int value;
};
// CUDA C++ programming guide, "Compute capability 9.0".
constexpr Attribute h100[] = {{CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, 9},
                              {CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, 0},
                              {CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, 132},
                              {CU_DEVICE_ATTRIBUTE_WARP_SIZE, 32},
                              {CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK, 1024},
                              {CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR, 2048},
                              {CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK, 65536},
                              {CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR, 65536},
                              {CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK, 49152},
                              {CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, 232448},
                              {CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR, 233472},
                              {CU_DEVICE_ATTRIBUTE_RESERVED_SHARED_MEMORY_PER_BLOCK, 1024},
                              {CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE, 52428800},
                              {CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH, 1},
                              {CU_DEVICE_ATTRIBUTE_CLUSTER_LAUNCH, 1}};

struct Symbol {
  const char* name;
  void* function;
};
void* find(const char* name);

}  // namespace

extern "C" {

// So that NVRTC does not request tables of functions.
CUresult cuInit(unsigned) { return refuse(); }
CUresult cuDriverGetVersion(int* version) {
  *version = 13000;
  return CUDA_SUCCESS;
}
CUresult cuDeviceGetCount(int* count) {
  *count = 1;
  return CUDA_SUCCESS;
}
CUresult cuDeviceGet(CUdevice* device, int) {
  *device = 0;
  return CUDA_SUCCESS;
}
CUresult cuCtxGetDevice(CUdevice* device) { return cuDeviceGet(device, 0); }
CUresult cuCtxGetCurrent(CUcontext* context) { return give(context); }
CUresult cuDeviceGetAttribute(int* value, CUdevice_attribute attribute, CUdevice) {
  *value = 0;
  for (const Attribute& known : h100) {
    if (known.name == attribute) *value = known.value;
  }
  return CUDA_SUCCESS;
}

CUresult cuLibraryLoadData(CUlibrary* library, const void*, CUjit_option*, void**, unsigned, CUlibraryOption*, void**, unsigned) {
  return give(library);
}
CUresult cuLibraryUnload(CUlibrary) { return CUDA_SUCCESS; }
CUresult cuLibraryGetKernel(CUkernel* kernel, CUlibrary, const char*) { return give(kernel); }
CUresult cuLibraryGetModule(CUmodule* module, CUlibrary) { return give(module); }
CUresult cuKernelGetFunction(CUfunction* function, CUkernel) { return give(function); }
CUresult cuKernelSetAttribute(CUfunction_attribute, int, CUkernel, CUdevice) { return CUDA_SUCCESS; }
CUresult cuModuleLoadData(CUmodule* module, const void*) { return give(module); }
CUresult cuModuleLoadDataEx(CUmodule* module, const void*, unsigned, CUjit_option*, void**) { return give(module); }
CUresult cuModuleUnload(CUmodule) { return CUDA_SUCCESS; }
CUresult cuModuleGetFunction(CUfunction* function, CUmodule, const char*) { return give(function); }
CUresult cuFuncSetAttribute(CUfunction, CUfunction_attribute, int) { return CUDA_SUCCESS; }
CUresult cuFuncGetAttribute(int* value, CUfunction_attribute, CUfunction) {
  *value = 0;
  return CUDA_SUCCESS;
}
CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, CUfunction, int, std::size_t) {
  *blocks = 1;
  return CUDA_SUCCESS;
}
CUresult cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* blocks, CUfunction, int, std::size_t, unsigned) {
  *blocks = 1;
  return CUDA_SUCCESS;
}
CUresult cuOccupancyMaxActiveClusters(int* clusters, CUfunction, const CUlaunchConfig*) {
  *clusters = 16;
  return CUDA_SUCCESS;
}
CUresult cuOccupancyMaxPotentialClusterSize(int* size, CUfunction, const CUlaunchConfig*) {
  *size = 16;
  return CUDA_SUCCESS;
}
CUresult cuGetErrorString(CUresult, const char** text) {
  *text = "the fake driver";
  return CUDA_SUCCESS;
}
CUresult cuGetErrorName(CUresult error, const char** text) { return cuGetErrorString(error, text); }

CUresult cuGetProcAddress_v2(const char* name, void** function, int, cuuint64_t, CUdriverProcAddressQueryResult* status) {
  *function = find(name);
  if (status != nullptr) *status = CU_GET_PROC_ADDRESS_SUCCESS;
  return CUDA_SUCCESS;
}
CUresult cuGetProcAddress(const char* name, void** function, int version, cuuint64_t flags) {
  return cuGetProcAddress_v2(name, function, version, flags, nullptr);
}

// Functions that cuDNN looks up by name and never calls here. (The label prevents the macros of
// cuda.h, which map some names to others, from being applied.)
#define AMNET_REFUSES(name)            \
  CUresult refuse_##name() asm(#name); \
  CUresult refuse_##name() { return refuse(); }
AMNET_REFUSES(cuCtxGetLimit)
AMNET_REFUSES(cuCtxPopCurrent)
AMNET_REFUSES(cuCtxPushCurrent)
AMNET_REFUSES(cuKernelGetAttribute)
AMNET_REFUSES(cuLaunchCooperativeKernel)
AMNET_REFUSES(cuLaunchKernel)
AMNET_REFUSES(cuLaunchKernelEx)
AMNET_REFUSES(cuLibraryLoadFromFile)
AMNET_REFUSES(cuLinkAddData)
AMNET_REFUSES(cuLinkComplete)
AMNET_REFUSES(cuLinkCreate)
AMNET_REFUSES(cuLinkDestroy)
AMNET_REFUSES(cuStreamGetCtx)
#undef AMNET_REFUSES

}  // extern "C"

namespace {

#define AMNET_SYMBOL(name) \
  { #name, reinterpret_cast < void*>(&name) }
const Symbol symbols[] = {AMNET_SYMBOL(cuInit),
                          AMNET_SYMBOL(cuDriverGetVersion),
                          AMNET_SYMBOL(cuDeviceGetCount),
                          AMNET_SYMBOL(cuDeviceGet),
                          AMNET_SYMBOL(cuCtxGetDevice),
                          AMNET_SYMBOL(cuCtxGetCurrent),
                          AMNET_SYMBOL(cuDeviceGetAttribute),
                          AMNET_SYMBOL(cuLibraryLoadData),
                          AMNET_SYMBOL(cuLibraryUnload),
                          AMNET_SYMBOL(cuLibraryGetKernel),
                          AMNET_SYMBOL(cuLibraryGetModule),
                          AMNET_SYMBOL(cuKernelGetFunction),
                          AMNET_SYMBOL(cuKernelSetAttribute),
                          AMNET_SYMBOL(cuModuleLoadData),
                          AMNET_SYMBOL(cuModuleLoadDataEx),
                          AMNET_SYMBOL(cuModuleUnload),
                          AMNET_SYMBOL(cuModuleGetFunction),
                          AMNET_SYMBOL(cuFuncSetAttribute),
                          AMNET_SYMBOL(cuFuncGetAttribute),
                          AMNET_SYMBOL(cuOccupancyMaxActiveBlocksPerMultiprocessor),
                          AMNET_SYMBOL(cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags),
                          AMNET_SYMBOL(cuOccupancyMaxActiveClusters),
                          AMNET_SYMBOL(cuOccupancyMaxPotentialClusterSize),
                          AMNET_SYMBOL(cuGetErrorString),
                          AMNET_SYMBOL(cuGetErrorName),
                          AMNET_SYMBOL(cuGetProcAddress_v2),
                          AMNET_SYMBOL(cuGetProcAddress)};
#undef AMNET_SYMBOL

void* find(const char* name) {
  for (const Symbol& symbol : symbols) {
    if (std::strcmp(symbol.name, name) == 0) return symbol.function;
  }
  if (std::strcmp(name, "cuGetProcAddress") == 0) return reinterpret_cast<void*>(&cuGetProcAddress_v2);
  return reinterpret_cast<void*>(&refuse);
}

}  // namespace
