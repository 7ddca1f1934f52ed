// How a kernel becomes a benchmark: a name, what one call costs, and the call. Google Benchmark
// repeats and times it.
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/tensor.h>
#include <benchmark/benchmark.h>

#include <chrono>
#include <string>
#include <utility>

namespace amnet::bench {

/// The work counted for one call. A kernel that is limited by arithmetic has `flops`, one that is
/// limited by memory has `bytes`: those that it must read and write at least once.
struct Cost {
  double flops = 0;
  double bytes = 0;
};

/// The machine's roofs (roofline.h) and the device that every kernel of the run uses.
struct Bench {
  Cpu cpu;
  double multiply_add_gflops = 0;
  double copy_gbytes = 0;
};

/// Registers a benchmark. make_call() allocates the tensors and returns the call, so that only one
/// case is in memory at a time.
template <class MakeCall>
void add_case(Bench& bench, const std::string& name, const Cost& cost, MakeCall make_call) {
  const auto run = [&bench, cost, make_call = std::move(make_call)](benchmark::State& state) {
    auto call = make_call();
    call();  // scratch memory is allocated and every page is touched
    const auto begin = std::chrono::steady_clock::now();
    for ([[maybe_unused]] auto _ : state) call();
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    const double calls_per_nanosecond = static_cast<double>(state.iterations()) / seconds / 1e9;
    // Plain values: Google Benchmark would print its own rates as "%FMA=63/s".
    const auto report = [&](const char* unit, double work, const char* share, double roof) {
      if (work <= 0) return;
      state.counters[unit] = work * calls_per_nanosecond;
      state.counters[share] = 100 * work * calls_per_nanosecond / roof;
    };
    report("GFLOP/s", cost.flops, "%FMA", bench.multiply_add_gflops);
    report("GB/s", cost.bytes, "%copy", bench.copy_gbytes);
  };
  benchmark::RegisterBenchmark(name.c_str(), run)->UseRealTime()->Unit(benchmark::kMillisecond);
}

/// A tensor of f32 values in (-1, 1) without a pattern that could make a kernel faster.
Tensor random_tensor(const Shape& shape);

/// Every kernel of include/amnet/kernels is registered by one of these functions.
void add_convolutions(Bench& bench);
void add_fully_connected(Bench& bench);
void add_elementwise(Bench& bench);
void add_rows(Bench& bench);
/// Whole heads, by their losses.
void add_heads(Bench& bench);

}  // namespace amnet::bench
