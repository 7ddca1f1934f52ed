#include "roofline.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "cpu/matrix_product.h"

namespace amnet::bench {
namespace {

// Other load only makes a run slower, so the best of a few runs is the machine's limit.
constexpr int repetitions = 5;

double seconds_now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

/// Runs body(thread) on all of `threads` threads at once; returns the seconds from the start to the
/// end of the last.
template <class Body>
double time_threads(int threads, Body&& body) {
  std::atomic<int> waiting{0};
  std::atomic<bool> started{false};
  std::vector<std::thread> workers;
  for (int thread = 0; thread < threads; ++thread) {
    workers.emplace_back([&, thread] {
      ++waiting;
      waiting.notify_one();
      started.wait(false);
      body(thread);
    });
  }
  for (int seen = waiting; seen < threads; seen = waiting) waiting.wait(seen);
  const double begin = seconds_now();
  started = true;
  started.notify_all();
  for (std::thread& worker : workers) worker.join();
  return seconds_now() - begin;
}

/// Three quarters of the vector registers: a multiply-add takes 4 or 5 cycles and two may start in
/// each, so 10 would do, and the two factors need registers of their own.
constexpr int accumulators = vector_registers * 3 / 4;

/// `rounds` multiply-adds into each accumulator. x <- x * a + b with a just below 1 neither grows
/// nor becomes denormal, and a compiler cannot move any part of it out of the loop. Every loop over
/// the accumulators must be unrolled, or the accumulators are kept on the stack.
float multiply_add(std::int64_t rounds) {
  volatile float factor = 0.9999F, term = 1e-4F;  // not known when compiling
  const Vector<float> a = broadcast<float>(factor), b = broadcast<float>(term);
  Vector<float> sums[accumulators];
#pragma GCC unroll 32
  for (int i = 0; i < accumulators; ++i) sums[i] = broadcast(static_cast<float>(i));
  for (std::int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 32
    for (int i = 0; i < accumulators; ++i) sums[i] = sums[i] * a + b;
  }
  Vector<float> total{};
#pragma GCC unroll 32
  for (int i = 0; i < accumulators; ++i) total += sums[i];
  return total[0];
}

/// "512K" or "260M", as the kernel writes a cache's size.
std::size_t bytes_of(const std::string& text) {
  std::size_t value = 0;
  char unit = ' ';
  if (std::sscanf(text.c_str(), "%zu%c", &value, &unit) < 1) return 0;
  return value * (unit == 'G' ? std::size_t{1} << 30 : unit == 'M' ? std::size_t{1} << 20 : unit == 'K' ? std::size_t{1} << 10 : 1);
}

}  // namespace

double measure_multiply_add_gflops(int threads) {
  constexpr double seconds_of_a_run = 0.04;
  std::atomic<float> sink{0};
  const auto seconds_of = [&](std::int64_t rounds) { return time_threads(threads, [&](int) { sink = multiply_add(rounds); }); };
  std::int64_t rounds = 100'000;
  while (seconds_of(rounds) < seconds_of_a_run) rounds *= 2;
  double best = seconds_of(rounds);
  for (int i = 1; i < repetitions; ++i) best = std::min(best, seconds_of(rounds));
  return 2.0 * accumulators * lanes<float> * static_cast<double>(rounds) * threads / best / 1e9;
}

double measure_copy_gbytes(int threads, std::size_t array_bytes) {
  const auto allocate = [&] { return std::make_unique_for_overwrite<float[]>(array_bytes / sizeof(float)); };
  const auto from = allocate(), to = allocate();
  const std::size_t part = array_bytes / sizeof(float) / static_cast<std::size_t>(threads) / lanes<float> * lanes<float>;
  const auto touch = [&](int thread) {
    const std::size_t begin = part * static_cast<std::size_t>(thread);
    std::fill_n(from.get() + begin, part, 1.0F);
    std::fill_n(to.get() + begin, part, 2.0F);
  };
  // Loads and stores as in the kernels: memcpy would bypass the cache above a size of its own.
  const auto copy = [&](int thread) {
    const float* source = from.get() + part * static_cast<std::size_t>(thread);
    float* target = to.get() + part * static_cast<std::size_t>(thread);
    for (std::size_t i = 0; i < part; i += lanes<float>) {
      store(target + i, load(source + i));
      asm volatile("" ::: "memory");  // otherwise the compiler calls memcpy
    }
  };
  time_threads(threads, touch);
  double best = time_threads(threads, copy);
  for (int i = 1; i < repetitions; ++i) best = std::min(best, time_threads(threads, copy));
  return 2.0 * static_cast<double>(part * sizeof(float)) * threads / best / 1e9;
}

std::size_t last_level_cache_bytes() {
  std::size_t largest = 0;
  for (int index = 0; index < 8; ++index) {
    std::ifstream file("/sys/devices/system/cpu/cpu0/cache/index" + std::to_string(index) + "/size");
    std::string text;
    if (file >> text) largest = std::max(largest, bytes_of(text));
  }
#if defined(_SC_LEVEL3_CACHE_SIZE)
  if (largest == 0) largest = static_cast<std::size_t>(std::max(0L, sysconf(_SC_LEVEL3_CACHE_SIZE)));
#endif
  return largest;
}

std::size_t physical_memory_bytes() {
  return static_cast<std::size_t>(std::max(0L, sysconf(_SC_PHYS_PAGES))) * static_cast<std::size_t>(std::max(0L, sysconf(_SC_PAGESIZE)));
}

std::size_t copy_array_bytes(std::size_t cache_bytes, std::size_t memory_bytes) {
  constexpr std::size_t least = std::size_t{128} << 20, page = 4096;
  return std::min(std::max(2 * cache_bytes, least), memory_bytes / 8) / page * page;
}

}  // namespace amnet::bench
