#include <amnet/kernels/fill.h>

#include "catch.h"
#include "parity.h"
#include "profile.h"
#include "trainee.h"

using namespace amnet;

TEST_CASE("profile: every kernel of a step has a name, its calls and its time", "[gpu]") {
  for_each_machine<Bf16>("profile: a step", [](Parity& parity) {
    Trainee there(parity.cuda);
    there.train(0, 1);
    CHECK(parity.cuda.kernel_times().empty());
    parity.cuda.time_kernels(true);
    there.train(1, 3);
    const std::vector<KernelTime> times = parity.cuda.kernel_times();
    std::int64_t convolutions = 0, products = 0, calls = 0;
    double longest = times.at(0).seconds;
    for (const KernelTime& one : times) {
      CHECK(one.seconds > 0);
      CHECK(one.seconds <= longest);
      longest = one.seconds;
      calls += one.calls;
      if (one.name.find(": cudnn engine ") != std::string::npos) convolutions += one.calls;
      if (one.name.rfind("product (", 0) == 0) products += one.calls;
    }
    // steps, micro-batches, and the passes of 4 convolutions; without the gradient of the pixels
    CHECK(convolutions == 2 * 2 * (4 + 4 + 3));
    CHECK(products > 0);
    CHECK(std::ranges::count_if(times, [](const KernelTime& one) { return one.name == "SgdStep"; }) == 1);
    if (emulated_gpu) {
      for (const KernelTime& one : times) CHECK(one.seconds == Approx(1e-3 * static_cast<double>(one.calls)));
    }
    parity.cuda.time_kernels(false);
    there.train(3, 4);
    CHECK(parity.cuda.kernel_times().empty());
  });
}

TEST_CASE("profile: names of kernels as compilers spell them", "[gpu]") {
  CHECK(readable_kernel_name("std::string amnet::kernel_name() [with Kernel = amnet::{anonymous}::FindBad<float>; std::string = …]") ==
        "FindBad<float>");
  CHECK(readable_kernel_name("std::string amnet::kernel_name() [Kernel = amnet::(anonymous namespace)::FindBad<amnet::BFloat16>]") ==
        "FindBad<BFloat16>");
  CHECK(readable_kernel_name("std::string amnet::kernel_name() [with Kernel = amnet::_GLOBAL__N__0a1b_6_sgd_cu_c3d4::SgdStep; …]") ==
        "SgdStep");
}

TEST_CASE("device: what was taken of the GPU's memory is known", "[gpu][alone]") {
  for_each_machine<F32>("device: taken memory", [](Parity& parity) {
    const std::size_t before = parity.cuda.taken_bytes();
    constexpr std::int64_t bytes = 64 << 20;
    {
      const Tensor large({bytes}, DType::u8, Memory::cuda);
      CHECK(parity.cuda.taken_bytes() >= before + bytes);
    }
    CHECK(parity.cuda.taken_bytes() < before + bytes);
    CHECK(parity.cuda.libraries().find("cuDNN 9.") != std::string::npos);
  });
}
