#include <amnet/core/memory_use.h>
#include <amnet/faces/loader.h>
#include <amnet/faces/memory_forecast.h>

#include <algorithm>

namespace amnet {
namespace {

// Measured: code, libraries and stacks.
#if defined(AMNET_CUDA)
constexpr std::size_t program_alone = 176'000'000;  // cuBLAS and cuDNN are loaded with the program
#else
constexpr std::size_t program_alone = 11'000'000;
#endif

/// A string and what it has from the allocator, which a text of up to 15 bytes does not need.
std::size_t bytes_of(const std::string& text) {
  return sizeof(std::string) + (text.size() > 15 ? (text.size() + 1 + 8 + 15) / 16 * 16 : 0);
}

std::size_t bytes_of(const Pairs& pairs) {
  std::size_t bytes = pairs.pairs.size() * sizeof(Pair);
  for (const std::string& image : pairs.images) bytes += bytes_of(image) + sizeof(std::int32_t) + sizeof(std::int64_t);
  for (const std::string& name : pairs.names) bytes += bytes_of(name);
  return bytes;
}

}  // namespace

std::size_t program_bytes() { return program_alone; }

std::string MemoryForecast::str() const {
  return memory_line({{"parameters", parameters},
                      {"activations", activations},
                      {"kernels", kernels},
                      {"saving", saving},
                      {"verification", verification},
                      {"data", data},
                      {"list", list},
                      {"report", report},
                      {"program", program}});
}

MemoryForecast forecast_memory(const Net& net, const Plan& plan, Device& device, const FaceTraining& options, std::int64_t batches) {
  MemoryForecast memory;
  net.look([&](const std::string&, const Parameter& parameter) {
    if (parameter.layout == ParameterLayout::convolution) memory.saving += parameter.value.size_bytes();
  });
  const std::size_t moments = static_cast<std::size_t>(moments_of(options.solver.method)) * net.gradient_bytes();
  const std::int64_t image = options.input.height * options.input.width * 3;
  if (memory_of(device) == Memory::host) {
    memory.parameters = net.parameter_bytes() + net.gradient_bytes() + moments;
    memory.activations = plan.bytes();
    memory.kernels = plan.kernel_bytes(device);
  } else {
    // weights and moments, copied from the GPU
    memory.saving += net.parameter_bytes() + moments;
    batches += 2;  // page-locked, being transferred
  }
  // With a cache the images pass through the host once, before the first step.
  const std::int64_t images = options.cache == ImageCache::none ? batches * options.batch : (options.workers + 2) * ReadOptions{}.batch;
  memory.data = static_cast<std::size_t>(images * image);
  memory.program = program_bytes();
  return memory;
}

std::size_t list_bytes(const FaceList& list, const FaceTraining& options) {
  const std::size_t order = sizeof(std::uint32_t);  // by sampler.h
  const std::size_t stand_in = options.cache == ImageCache::none ? 0 : sizeof(std::int64_t);
  // balanced: of each person 20 bytes there, and at first of each image its person
  const bool balanced = options.sampling == Sampling::balanced;
  const std::size_t people = balanced ? static_cast<std::size_t>(list.classes()) * 20 : 0;
  return list.bytes() + static_cast<std::size_t>(list.size()) * (order + stand_in + (balanced ? sizeof(std::int64_t) : 0)) + people;
}

std::size_t report_bytes(std::int64_t rows) {
  // measured: its text twice, and its numbers in a few columns
  constexpr std::size_t bytes_a_row = 275;
  return static_cast<std::size_t>(rows) * bytes_a_row;
}

std::size_t verification_bytes(const Pairs& pairs, std::int64_t embedding, Protocol protocol) {
  constexpr std::size_t impostors_kept = std::size_t{1} << 22;  // by verification.cpp
  const std::size_t images = pairs.images.size();
  const std::size_t values = images * static_cast<std::size_t>(embedding);
  const std::size_t width = protocol == Protocol::sphereface ? 2 : 1;
  const std::size_t scores = std::min(images * (images - 1) / 2, 2 * impostors_kept);
  // Of each pair its score and whether it was judged correctly, and for the threshold of a fold the
  // scores of the others three times over.
  const std::size_t pair_bytes = 2 * sizeof(double) + 3 * sizeof(double) + sizeof(std::uint8_t);
  return bytes_of(pairs) + pairs.pairs.size() * pair_bytes + values * 2 * sizeof(float) + values * width * 2 * sizeof(double) +
         scores * sizeof(double);
}

}  // namespace amnet
