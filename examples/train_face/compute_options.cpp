#include "compute_options.h"
#include "commands.h"
#include "console.h"

#include <amnet/core/error.h>

#include <fmt/format.h>

#include <cstdint>
#include <map>
#include <string_view>
#include <vector>

using namespace amnet;

namespace {

// One line of a device's counts: "forward 64->128, 3x3/2 on 56x48, 32 images: tiles 4x4".
struct CountedConvolution {
  std::string_view pass, shape, algorithm;
  std::int64_t calls = 0;

  bool direct() const { return algorithm == "direct"; }
};

std::vector<CountedConvolution> convolutions_of(const std::map<std::string, std::int64_t>& counts) {
  std::vector<CountedConvolution> convolutions;
  for (const auto& [name, calls] : counts) {
    const std::string_view text = name;
    const std::size_t colon = text.rfind(": "), shape = text.rfind(' ', text.find("->")) + 1;
    convolutions.push_back({text.substr(0, shape - 1), text.substr(shape, colon - shape), text.substr(colon + 2), calls});
  }
  return convolutions;
}

void print_row(std::string_view calls, std::string_view algorithm, std::string_view pass, std::string_view shape) {
  conclude(fmt::format("{:>12}  {:<14}  {:<15}  {}", calls, algorithm, pass, shape));
}

void tell_of_tiles(const Cpu& cpu, const std::vector<CountedConvolution>& convolutions) {
  std::int64_t by_tiles = 0, directly = 0;
  for (const CountedConvolution& one : convolutions) (one.direct() ? directly : by_tiles) += one.calls;
  // Tiles are expected for 3x3 kernels, and for every kernel where an algorithm with tiles is
  // forced.
  const bool automatic = cpu.convolution() == ConvolutionAlgorithm::automatic;
  const bool tiles_wanted = cpu.convolution() != ConvolutionAlgorithm::direct;
  for (const CountedConvolution& one : convolutions) {
    if (!one.direct() || !tiles_wanted || (automatic && one.shape.find(", 3x3/") == std::string_view::npos)) continue;
    conclude(fmt::format("No tiles, though {}: {} {}", automatic ? "3x3" : name_of(cpu.convolution()), one.pass, one.shape));
  }
  conclude(fmt::format("{} convolutions: {} by tiles, {} directly", grouped(by_tiles + directly), grouped(by_tiles), grouped(directly)));
}

// "cpu", "cuda", "cuda:1" or "auto", as in --device. Returns the GPU's index, or -1 for the CPU.
int gpu_of(const std::string& device) {
  if (device == "cpu") return -1;
  if (device == "auto") return cuda_devices() > 0 ? 0 : -1;
  if (device == "cuda") return 0;
  return std::stoi(device.substr(device.find(':') + 1));
}

Device make_cpu(const ComputeOptions& options, Purpose purpose) {
  require(options.precision != ProductPrecision::bf16 || purpose == Purpose::embedding,
          "--precision: a CPU takes bf16 for embedding alone (eval, extract, bench --forward-only); train in f32, or on a GPU.");
  return Cpu(options.threads, options.convolution, options.precision);
}

Device make_cuda([[maybe_unused]] int index, const ComputeOptions& options) {
  require(options.convolution == ConvolutionAlgorithm::automatic,
          "--convolution: {} is an algorithm of the CPU; add --device cpu, or leave it out.", name_of(options.convolution));
#if defined(AMNET_CUDA)
  return Cuda({.index = index, .precision = options.precision, .deterministic = options.deterministic, .graphs = !options.no_graphs});
#else
  throw UsageError("--device: this train_face was built without CUDA; build it where nvcc and cuDNN are, or take --device cpu.");
#endif
}

}  // namespace

void add_compute_options(CLI::App& app, ComputeOptions& options) {
  begin_group(app, computing);
  app.add_option("--device", options.device, "cpu, cuda, cuda:N for the GPU of that number, or auto: a GPU where there is one")
      ->check(CLI::Validator(
          [](const std::string& text) {
            const bool numbered = text.size() > 5 && text.size() < 9 && text.starts_with("cuda:") &&
                                  text.find_first_not_of("0123456789", 5) == std::string::npos;
            return numbered || text == "cpu" || text == "cuda" || text == "auto" ? "" : "expected cpu, cuda, cuda:N or auto";
          },
          "cpu|cuda|cuda:N|auto"));
  add_named(app, "--precision", options.precision,
            "What matrix products take; sums are f32. On a GPU: f32, tf32, or bf16, with activations of bf16 too. On a CPU: f32, and "
            "for embedding bf16 in the 3x3 convolutions, for processors with AVX512-BF16");
  app.add_flag("--deterministic", options.deterministic, "The same bits in every run on a GPU, or an error; a CPU's always are");
  app.add_flag("--no-graphs", options.no_graphs, "Give a GPU every kernel by itself, and not whole steps as graphs: for profilers");
  app.add_option("--threads", options.threads, "Compute threads of a CPU; 0: all processors that the process may use")
      ->check(CLI::Range(0, 1024));
  add_named(app, "--convolution", options.convolution,
            "Algorithm of convolutions on a CPU; automatic: the fastest for each shape. They differ in rounding alone, and no checkpoint "
            "holds which it was: a resumed run may have another");
  app.add_flag("--verbose", options.verbose, "Tell at the end which algorithm each convolution took");
}

void add_workers(CLI::App& app, int& workers) {
  app.add_option("--workers", workers, "Decoding threads; by default those the process may use, at most 8")->check(CLI::Range(1, 256));
}

Device make_device(const ComputeOptions& options, Purpose purpose) {
  const int gpu = gpu_of(options.device);
  return gpu < 0 ? make_cpu(options, purpose) : make_cuda(gpu, options);
}

void tell_convolutions(const ComputeOptions& options, const Device& device) {
  if (!options.verbose) return;
  const std::vector<CountedConvolution> convolutions =
      std::visit([](const auto& backend) { return convolutions_of(backend.counts()); }, device);
  print_row("calls", "algorithm", "pass", "convolution");
  for (const CountedConvolution& one : convolutions) print_row(grouped(one.calls), one.algorithm, one.pass, one.shape);
  if (const auto* cpu = std::get_if<Cpu>(&device)) tell_of_tiles(*cpu, convolutions);
}
