// cuDNN's plans for every convolution of the 20-layer network on an H100, on a machine that has no
// GPU: cuDNN gets a description of one, and the library that it compiles kernels with finds a fake
// driver (fake_driver.cpp). What is finalised here was matched with an engine and, where the engine
// does that, compiled; only its numbers and its speed need a GPU.
#include "catch.h"

#include "conv2d_graphs.h"

#include <algorithm>
#include <chrono>
#include <cstdio>

using namespace amnet;

namespace {

// An H100 SXM: the values in CUDA's documentation for compute capability 9.0. cuDNN requires every
// key, and booleans as 0 or 1.
constexpr std::string_view h100 = R"({"maxGridSize":[2147483647,65535,65535],"maxBlockSize":[1024,1024,64],"regsPerBlock":65536,
"multiProcessorCount":132,"warpSize":32,"maxSharedMemoryPerBlock":49152,"maxSharedMemoryPerBlockOptin":232448,
"reservedSharedMemoryPerBlock":1024,"maxRegistersPerSM":65536,"maxCtasPerSM":32,"maxThreadsPerBlock":1024,"maxThreadsPerSM":2048,
"pciDeviceId":0,"isTccDriver":0,"supportCoopLaunch":1,"totalGlobalMem":85029158912,"smClockRateKHz":1980000,"memClockRateKHz":2619000,
"l2CacheSize":52428800,"cudaDeviceId":0,"deviceVer":900,"driverVer":13000,"deviceName":"NVIDIA H100 80GB HBM3"})";

struct Layer {
  std::string_view name;
  std::int64_t height, width, channels, outputs, stride;
  std::int64_t images = 256, groups = 1;
};
// docs/roofline.md, "Convolutions: arithmetic".
constexpr Layer network[] = {{"stage1_stride2", 112, 96, 3, 64, 2},   {"stage1", 56, 48, 64, 64, 1},
                             {"stage2_stride2", 56, 48, 64, 128, 2},  {"stage2", 28, 24, 128, 128, 1},
                             {"stage3_stride2", 28, 24, 128, 256, 2}, {"stage3", 14, 12, 256, 256, 1},
                             {"stage4_stride2", 14, 12, 256, 512, 2}, {"stage4", 7, 6, 512, 512, 1}};

ConvolutionGraph operation_of(const Layer& layer, dnn::Convolution pass, ProductPrecision precision) {
  return {.pass = pass,
          .geometry = {.kernel = 3, .stride = layer.stride, .pad = 1, .groups = layer.groups},
          .x = {layer.images, layer.height, layer.width, layer.channels},
          .outputs = layer.outputs,
          .dtype = precision == ProductPrecision::bf16 ? DType::bf16 : DType::f32,
          .tf32 = precision == ProductPrecision::tf32};
}

/// The operations of a training step on such a layer, as the network's layers request them.
std::vector<ConvolutionGraph> operations_of(const Layer& layer, ProductPrecision precision) {
  using dnn::Convolution;
  std::vector<ConvolutionGraph> operations;
  ConvolutionGraph forward = operation_of(layer, Convolution::forward, precision);
  forward.slope = Slope::each;
  forward.keeps_sums = true;
  // A strided convolution has a bias; of two others the second adds the branch.
  forward.bias = layer.stride == 2;
  operations.push_back(forward);
  if (layer.stride == 1) {
    forward.residual = true;
    operations.push_back(forward);
  }
  for (const bool adds : {false, true}) {
    for (const Convolution pass : {Convolution::data_gradient, Convolution::weight_gradient}) {
      ConvolutionGraph gradient = operation_of(layer, pass, precision);
      gradient.adds = adds;
      // A kernel of amnet then adds the existing values.
      if (adds && pass == Convolution::weight_gradient && precision == ProductPrecision::bf16) continue;
      operations.push_back(gradient);
    }
  }
  return operations;
}

struct Outcome {
  bool any = false, deterministic = false;
  std::string why;
};

/// Whether a plan for the graph can be finalised, by the first engine that can.
Outcome outcome_of(const ConvolutionGraph& graph, const dnn::Target& target) {
  Outcome outcome;
  const std::optional<dnn::Descriptor> built = build(graph, target, outcome.why);
  if (!built) return outcome;
  const auto start = std::chrono::steady_clock::now();
  std::string took = "none";
  for (const dnn::Engine& engine : dnn::engines(*built, target)) {
    if (!allowed(engine, graph, false)) continue;
    outcome.deterministic |= engine.deterministic;
    if (outcome.any) continue;
    CHECK((graph.dtype == DType::bf16 || graph.tf32 || !engine.tensor_cores));
    if (const auto plan = dnn::make_plan(engine, target, outcome.why)) {
      outcome.any = true;
      took = fmt::format("engine {}{}, workspace {:.1f} MB", engine.name, engine.compiles ? ", compiled" : "",
                         static_cast<double>(plan->workspace_bytes) / 1e6);
    }
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::printf("%-66s %s (%.2f s) %s\n", graph.text().c_str(), took.c_str(), seconds, outcome.any ? "" : outcome.why.c_str());
  return outcome;
}

struct Refusals {
  std::vector<std::string> graphs;         // no plan: another graph is used
  std::vector<std::string> deterministic;  // no deterministic engine
  std::vector<std::string> operations;     // no graph at all
};

Refusals refusals_of(std::span<const ConvolutionGraph> operations) {
  const dnn::Target target = dnn::Target::described(h100);
  Refusals refused;
  std::vector<std::string> seen;
  for (const ConvolutionGraph& operation : operations) {
    bool any = false, deterministic = false;
    for (const ConvolutionGraph& way : ways_of(operation)) {
      const std::string text = way.text();
      if (std::ranges::find(seen, text) != seen.end()) {
        any = deterministic = true;
        continue;
      }
      const Outcome outcome = outcome_of(way, target);
      if (outcome.any)
        seen.push_back(text);
      else
        refused.graphs.push_back(text);
      any |= outcome.any;
      deterministic |= outcome.any && outcome.deterministic;
    }
    if (!any) refused.operations.push_back(operation.text());
    if (!deterministic) refused.deterministic.push_back(operation.text());
  }
  return refused;
}

Refusals refusals_of_network(ProductPrecision precision) {
  std::vector<ConvolutionGraph> operations;
  for (const Layer& layer : network) std::ranges::copy(operations_of(layer, precision), std::back_inserter(operations));
  return refusals_of(operations);
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("plans: f32 network", "[plans]") {
  const Refusals refused = refusals_of_network(ProductPrecision::f32);
  CHECK(refused.graphs == Texts{});
  CHECK(refused.deterministic == Texts{});
  CHECK(refused.operations == Texts{});
}
TEST_CASE("plans: tf32 network", "[plans]") {
  const Refusals refused = refusals_of_network(ProductPrecision::tf32);
  CHECK(refused.graphs == Texts{});
  CHECK(refused.deterministic == Texts{});
  CHECK(refused.operations == Texts{});
}
TEST_CASE("plans: bf16 network", "[plans]") {
  const Refusals refused = refusals_of_network(ProductPrecision::bf16);
  CHECK(refused.graphs == Texts{});
  CHECK(refused.deterministic == Texts{});
  CHECK(refused.operations == Texts{});
}

TEST_CASE("plans: odd shapes", "[plans]") {
  constexpr Layer odd[] = {
      {"depthwise", 14, 12, 64, 64, 1, 4, 64}, {"grouped", 14, 12, 64, 64, 2, 4, 4}, {"odd channels", 7, 6, 5, 7, 2, 1}};
  std::vector<ConvolutionGraph> operations;
  for (const Layer& layer : odd) {
    for (const ProductPrecision precision : {ProductPrecision::f32, ProductPrecision::tf32, ProductPrecision::bf16}) {
      for (ConvolutionGraph operation : operations_of(layer, precision)) {
        if (operation.has_epilogue() || operation.adds) continue;
        operations.push_back(operation);
        if (layer.groups > 1) continue;
        operation.aligned = false;
        operations.push_back(operation);
      }
      operations.push_back(operation_of(layer, dnn::Convolution::forward, precision));
    }
  }
  const Refusals refused = refusals_of(operations);
  CHECK(refused.graphs == Texts{});
  CHECK(refused.deterministic == Texts{});
  CHECK(refused.operations == Texts{});
}
