#include "compute_options.h"

#include <fmt/format.h>

#include <cstdint>
#include <cstdio>
#include <string_view>
#include <vector>

using namespace amnet;

namespace {

// One line of Cpu::counts(): "forward 64->128, 3x3/2 on 56x48, 32 images: tiles 4x4".
struct CountedConvolution {
  std::string_view pass, shape, algorithm;
  std::int64_t calls = 0;

  bool direct() const { return algorithm == "direct"; }
};

std::vector<CountedConvolution> convolutions_of(const Cpu& cpu) {
  std::vector<CountedConvolution> convolutions;
  for (const auto& [name, calls] : cpu.counts()) {
    const std::string_view text = name;
    const std::size_t colon = text.rfind(": "), shape = text.rfind(' ', text.find("->")) + 1;
    convolutions.push_back({text.substr(0, shape - 1), text.substr(shape, colon - shape), text.substr(colon + 2), calls});
  }
  return convolutions;
}

// "1,234"
std::string grouped(std::int64_t number) {
  std::string digits = std::to_string(number);
  for (int at = static_cast<int>(digits.size()) - 3; at > 0; at -= 3) digits.insert(static_cast<std::size_t>(at), ",");
  return digits;
}

void print_row(std::string_view calls, std::string_view algorithm, std::string_view pass, std::string_view shape) {
  fmt::print("{:>12}  {:<14}  {:<15}  {}\n", calls, algorithm, pass, shape);
}

}  // namespace

void add_compute_options(CLI::App& app, ComputeOptions& options) {
  app.add_option("--threads", options.threads, "Compute threads; 0: all cores")->check(CLI::Range(0, 1024));
  app.add_option("--convolution", options.convolution,
                 "Algorithm of convolutions; automatic: the fastest for each shape. They differ in rounding alone, and no checkpoint "
                 "holds which it was: a resumed run may have another")
      ->check(CLI::IsMember({"automatic", "direct", "tiles-2", "tiles-3", "tiles-4", "tiles-5", "tiles-6"}));
  app.add_flag("--verbose", options.verbose, "Tell at the end which algorithm each convolution took");
}

void add_precision_option(CLI::App& app, ComputeOptions& options) {
  app.add_option(
         "--precision", options.precision,
         "What the products of 3x3 convolutions take: f32, or values rounded to bf16, for processors with AVX512-BF16; sums are f32")
      ->check(CLI::IsMember({"f32", "bf16"}));
}

Device make_device(const ComputeOptions& options) {
  return Cpu(options.threads, convolution_algorithm(options.convolution), product_precision(options.precision));
}

void tell_convolutions(const ComputeOptions& options, const Device& device) {
  if (!options.verbose) return;
  const auto& cpu = std::get<Cpu>(device);
  const std::vector<CountedConvolution> convolutions = convolutions_of(cpu);
  std::int64_t by_tiles = 0, directly = 0;
  print_row("calls", "algorithm", "pass", "convolution");
  for (const CountedConvolution& one : convolutions) {
    print_row(grouped(one.calls), one.algorithm, one.pass, one.shape);
    (one.direct() ? directly : by_tiles) += one.calls;
  }
  // Tiles are the norm for 3x3 kernels, and what a forced algorithm asks for everywhere.
  const bool automatic = cpu.convolution() == ConvolutionAlgorithm::automatic;
  const bool tiles_wanted = cpu.convolution() != ConvolutionAlgorithm::direct;
  for (const CountedConvolution& one : convolutions) {
    if (!one.direct() || !tiles_wanted || (automatic && one.shape.find(", 3x3/") == std::string_view::npos)) continue;
    fmt::print("No tiles, though {}: {} {}\n", automatic ? "3x3" : name_of(cpu.convolution()), one.pass, one.shape);
  }
  fmt::print("{} convolutions: {} by tiles, {} directly\n", grouped(by_tiles + directly), grouped(by_tiles), grouped(directly));
}
