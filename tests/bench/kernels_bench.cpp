// amnet_bench: every kernel at the network's shapes, in GFLOP/s or GB/s and as shares of the limits
// of this machine (roofline.h).
//
//   amnet_bench [--threads=N] [--benchmark_filter=conv2d/stage3] [--benchmark_format=json] …
//   amnet_bench --roofline [--threads=N]     the two roofs alone, as one line of JSON;  --peak: arithmetic alone
#include <amnet/core/build_info.h>
#include <amnet/core/random.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string_view>

#include "measure.h"
#include "roofline.h"

namespace amnet::bench {
namespace {

struct Options {
  int threads = 0;  ///< 0: all that the process may use
  bool roofline = false, peak = false;
};

/// Reads and removes our own arguments; the rest belongs to Google Benchmark.
Options parse(int& count, char** arguments) {
  Options options;
  int kept = 1;
  for (int i = 1; i < count; ++i) {
    const std::string_view argument = arguments[i];
    constexpr std::string_view threads = "--threads=";
    if (argument.starts_with(threads)) {
      options.threads = std::atoi(argument.substr(threads.size()).data());
      require(options.threads >= 1 && options.threads <= 1024, "[amnet_bench] expected --threads=N with N in [1, 1024] but got '{}'.",
              argument);
    } else if (argument == "--roofline") {
      options.roofline = true;
    } else if (argument == "--peak") {
      options.peak = true;
    } else {
      arguments[kept++] = arguments[i];
    }
  }
  count = kept;
  return options;
}

void print_roofs(const Bench& bench, std::size_t array_bytes) {
  std::printf("{\"threads\": %d, \"simd\": \"%s\", \"multiply_add_gflops\": %.2f", bench.cpu.threads(), simd_level(),
              bench.multiply_add_gflops);
  if (bench.copy_gbytes > 0) {
    std::printf(", \"copy_gbytes\": %.2f, \"last_level_cache_bytes\": %zu, \"copy_array_bytes\": %zu", bench.copy_gbytes,
                last_level_cache_bytes(), array_bytes);
  }
  std::printf("}\n");
}

int run(int count, char** arguments) {
  const Options options = parse(count, arguments);
  Bench bench{.cpu = Cpu(options.threads)};
  const int threads = bench.cpu.threads();
  const std::size_t array_bytes = copy_array_bytes(last_level_cache_bytes(), physical_memory_bytes());
  bench.multiply_add_gflops = measure_multiply_add_gflops(threads);
  if (!options.peak) bench.copy_gbytes = measure_copy_gbytes(threads, array_bytes);
  if (options.peak || options.roofline) {
    print_roofs(bench, array_bytes);
    return 0;
  }

  benchmark::Initialize(&count, arguments);
  if (benchmark::ReportUnrecognizedArguments(count, arguments)) return 2;
  const auto note = [](const char* key, const std::string& value) { benchmark::AddCustomContext(key, value); };
  note("amnet", build_info().version + " " + build_info().commit + ", " + build_info().compiler + ", " + build_info().simd);
  note("threads", std::to_string(threads));
  note("multiply_add_gflops", fmt::format("{:.2f}", bench.multiply_add_gflops));
  note("copy_gbytes", fmt::format("{:.2f}", bench.copy_gbytes));
  note("unit of a convolution", "operations of the direct sum: an algorithm with fewer multiplications may exceed 100 %FMA");
  note("%copy", "of a copy through memory: tensors that stay in the last-level cache may exceed 100");
  add_convolutions(bench);
  add_fully_connected(bench);
  add_elementwise(bench);
  add_rows(bench);
  add_heads(bench);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}

}  // namespace

Tensor random_tensor(const Shape& shape) {
  // A prime number of values, repeated: drawing all 51 million values would take longer than the
  // kernel.
  static const std::vector<float> values = [] {
    const Random random(1, stream_of("amnet_bench"));
    std::vector<float> drawn(65'521);
    for (std::size_t i = 0; i < drawn.size(); ++i) drawn[i] = static_cast<float>(random.uniform(i, -1, 1));
    return drawn;
  }();
  Tensor tensor(shape, DType::f32);
  std::span<float> left = tensor.data<float>();
  while (!left.empty()) {
    const std::size_t count = std::min(left.size(), values.size());
    std::copy_n(values.begin(), count, left.begin());
    left = left.subspan(count);
  }
  return tensor;
}

}  // namespace amnet::bench

int main(int count, char** arguments) {
  try {
    return amnet::bench::run(count, arguments);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "amnet_bench: %s\n", error.what());
    return 2;
  }
}
