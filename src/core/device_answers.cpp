// What a Device of either backend reports about itself.
#include <amnet/core/device.h>

#include <fmt/format.h>

namespace amnet {
namespace {

std::string describe(const Cpu& cpu) { return fmt::format("cpu with {} thread(s)", cpu.threads()); }

}  // namespace

#if defined(AMNET_CUDA)
namespace {

std::string describe(const Cuda& cuda) {
  return fmt::format("cuda:{} ({}), {}", cuda.options().index, cuda.name(), name_of(cuda.precision()));
}

}  // namespace

Memory memory_of(const Device& device) { return std::holds_alternative<Cuda>(device) ? Memory::cuda : Memory::host; }
DType activation_dtype(const Device& device) {
  const auto* cuda = std::get_if<Cuda>(&device);
  return cuda != nullptr && cuda->precision() == ProductPrecision::bf16 ? DType::bf16 : DType::f32;
}
#else
Memory memory_of(const Device&) { return Memory::host; }
DType activation_dtype(const Device&) { return DType::f32; }
#endif

std::string description_of(const Device& device) {
  return std::visit([](const auto& backend) { return describe(backend); }, device);
}

}  // namespace amnet
