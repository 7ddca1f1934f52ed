#include <amnet/kernels/adam.h>
#include <amnet/kernels/sgd.h>

#include <vector>

#include "catch.h"
#include "fake_cuda.h"

using namespace amnet;

TEST_CASE("sgd: 160 parameters are three launches, and no memory is asked for", "[gpu]") {
  Cuda cuda;
  std::vector<SgdUpdate> updates;
  for (int k = 0; k < 160; ++k) {
    const auto zeros = [] { return Tensor::zeros({9}, DType::f32, Memory::cuda); };
    updates.push_back({{}, zeros(), zeros(), zeros()});
  }
  const auto calls = [](const char* name) { return fake::calls().count(name) == 0 ? 0 : fake::calls().at(name); };
  const int launches = calls("a kernel"), allocations = calls("cudaMalloc");
  sgd_step(cuda, updates);
  CHECK(calls("a kernel") - launches == 3);
  CHECK(calls("cudaMalloc") == allocations);
}

TEST_CASE("adam: 120 parameters are three launches, and no memory is asked for", "[gpu]") {
  Cuda cuda;
  std::vector<AdamUpdate> updates;
  for (int k = 0; k < 120; ++k) {
    const auto zeros = [] { return Tensor::zeros({9}, DType::f32, Memory::cuda); };
    updates.push_back({{}, zeros(), zeros(), zeros(), zeros()});
  }
  const auto calls = [](const char* name) { return fake::calls().count(name) == 0 ? 0 : fake::calls().at(name); };
  const int launches = calls("a kernel"), allocations = calls("cudaMalloc");
  adam_step(cuda, updates);
  CHECK(calls("a kernel") - launches == 3);
  CHECK(calls("cudaMalloc") == allocations);
}
