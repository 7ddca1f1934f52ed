#include <amnet/core/device.h>
#include <amnet/core/error.h>

#include <cstdint>
#include <cstring>
#include <set>
#include <string>

#include "catch.h"

using namespace amnet;
using Catch::Matchers::Contains;

namespace {

bool aligned(const void* address) { return reinterpret_cast<std::uintptr_t>(address) % 64 == 0; }

}  // namespace

TEST_CASE("device: the number of threads is as asked, or all that the process may use", "[device]") {
  CHECK(Cpu(3).threads() == 3);
  CHECK(Cpu(0).threads() >= 1);
  CHECK_THROWS_WITH(Cpu(-1), Contains("but got -1"));
  CHECK_THROWS_AS(Cpu(1025), UsageError);
}

TEST_CASE("device: convolution algorithms have names", "[device]") {
  for (const char* name : {"automatic", "direct", "tiles-2", "tiles-3", "tiles-4", "tiles-5", "tiles-6"}) {
    CHECK(name_of(named<ConvolutionAlgorithm>(name, "algorithm")) == name);
  }
  CHECK(find_named<ConvolutionAlgorithm>("direct") == ConvolutionAlgorithm::direct);
  CHECK(find_named<ConvolutionAlgorithm>("tiles-6") == ConvolutionAlgorithm::winograd_6);
  CHECK_THROWS_WITH(named<ConvolutionAlgorithm>("tiles-7", "algorithm"),
                    Contains("algorithm: expected 'automatic', 'direct', ") && Contains("'tiles-5' or 'tiles-6' but got 'tiles-7'."));
}

TEST_CASE("device: bf16 is there or refused in one sentence", "[device]") {
  CHECK(Cpu(1).precision() == ProductPrecision::f32);
  CHECK(find_named<ProductPrecision>("bf16") == ProductPrecision::bf16);
  CHECK(name_of(ProductPrecision::f32) == "f32");
  CHECK(find_named<ProductPrecision>("fp16") == std::nullopt);
  const auto make = [] { return Cpu(1, ConvolutionAlgorithm::automatic, ProductPrecision::bf16); };
  if (has_bf16_products()) {
    CHECK(make().precision() == ProductPrecision::bf16);
  } else {
    CHECK_THROWS_WITH(make(), Contains("AVX512-BF16") && Contains("or use f32"));
  }
}

TEST_CASE("device: scratch is aligned, one for each worker, and only ever grows", "[device]") {
  Cpu cpu(3);
  std::set<std::byte*> starts;
  for (int worker = 0; worker < 3; ++worker) {
    std::byte* memory = cpu.scratch(worker, 1000);
    REQUIRE(aligned(memory));
    std::memset(memory, worker, 1000);
    starts.insert(memory);
    CHECK(cpu.scratch(worker, 10) == memory);  // kept: a step allocates nothing
    CHECK(cpu.scratch(worker, 1000) == memory);
  }
  CHECK(starts.size() == 3);
  std::byte* larger = cpu.scratch(1, 1'000'000);
  REQUIRE(aligned(larger));
  std::memset(larger, 7, 1'000'000);
  CHECK(cpu.scratch(1, 500'000) == larger);
  CHECK(std::to_integer<int>(cpu.scratch(2, 1000)[999]) == 2);  // the next worker's is unchanged
}

TEST_CASE("device: host memory is aligned, also for nothing", "[device]") {
  for (const std::size_t bytes : {0U, 1U, 63U, 64U, 65U, 4097U}) {
    const auto memory = allocate(Memory::host, bytes);
    REQUIRE(memory != nullptr);
    CHECK(aligned(memory.get()));
    std::memset(memory.get(), 1, bytes);
  }
}

#if !defined(__SANITIZE_ADDRESS__)  // which ends the program where malloc would return null
TEST_CASE("device: memory that is not to be had is an error with the bytes wanted", "[device]") {
  CHECK_THROWS_AS(allocate(Memory::host, std::size_t{1} << 60), MemoryError);
  CHECK_THROWS_WITH(allocate(Memory::host, std::size_t{1} << 60), Contains("wanted 1152921504606846976 bytes"));
}
#endif

#if !defined(AMNET_CUDA)
TEST_CASE("device: a GPU's memory is a usage error in a build without CUDA", "[device]") {
  CHECK(cuda_devices() == 0);
  CHECK_THROWS_AS(device_memory(), UsageError);
  CHECK_THROWS_AS(allocate(Memory::cuda, 1), UsageError);
}
#endif

TEST_CASE("device: a body sees the backend that the device holds", "[device]") {
  Device device = Cpu(2);
  CHECK(on(device, [](auto& backend) { return backend.threads(); }) == 2);
  CHECK(std::set<std::string>{"AVX-512", "AVX2", "AVX", "SSE2", "NEON", "scalar"}.count(simd_level()) == 1);
}

TEST_CASE("device: an error's type is the exit code of a program", "[device]") {
  CHECK(UsageError("").exit_code() == 2);
  CHECK(DataError("").exit_code() == 3);
  CHECK(FileError("").exit_code() == 4);
  CHECK(NonFiniteError("").exit_code() == 5);
  CHECK(MemoryError("").exit_code() == 6);
  CHECK(DeviceMemoryError("", 2, 1).exit_code() == 6);
  CHECK_NOTHROW(require(true, "never"));
  CHECK_THROWS_WITH(require<DataError>(false, "{}:{}: bad", "list.txt", 3), "list.txt:3: bad");
}
