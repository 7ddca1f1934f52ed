#include <amnet/kernels/fill.h>
#include <amnet/kernels/transfer.h>

#include <vector>

#include "catch.h"
#include "parity.h"

using namespace amnet;

namespace {

Tensor labels_from(std::int64_t first) {
  Tensor labels({3}, DType::i64);
  for (std::int64_t i = 0; i < 3; ++i) labels.data<std::int64_t>()[static_cast<std::size_t>(i)] = first + i;
  return labels;
}

}  // namespace

TEST_CASE("transfer: batches arrive in order, though the host goes on writing", "[gpu]") {
  for_each_machine<F32>("transfer: batches", [](Parity& parity) {
    const auto upload = make_upload(parity.cuda);
    const auto results = make_results(parity.cuda);
    Tensor host = labels_from(0);
    std::vector<Tensor> reads;  // made beforehand and kept: to free memory is to wait for all work
    for (std::int64_t batch = 0; batch < 7; ++batch) reads.emplace_back(Shape{3}, DType::i64, Memory::cuda);
    for (std::int64_t batch = 0; batch < 7; ++batch) {
      host.copy_from(labels_from(10 * batch));
      const std::vector<Tensor> there = upload->bring({host});
      host.clear();  // what was brought is no longer the host's
      const Tensor& read = reads[static_cast<std::size_t>(batch)];
      copy(parity.cuda, there[0], read);
      results->put({read});
      if (results->waiting() < 3) continue;
      CHECK(results->take()[0].data<std::int64_t>()[2] == 10 * (batch - 2) + 2);
    }
    CHECK(results->waiting() == 2);
    CHECK(results->take()[0].data<std::int64_t>()[0] == 50);
    CHECK(results->take()[0].data<std::int64_t>()[0] == 60);
    CHECK_THROWS_AS(results->take(), UsageError);
  });
}

TEST_CASE("transfer: a result is what the value was when it was put", "[gpu]") {
  for_each_machine<F32>("transfer: results", [](Parity& parity) {
    const auto results = make_results(parity.cuda);
    const Tensor loss({1}, DType::f32, Memory::cuda);
    for (int step = 0; step < 5; ++step) {
      fill(parity.cuda, loss, step);
      results->put({loss});
    }
    for (int step = 0; step < 5; ++step) CHECK(results->take()[0].item() == step);
  });
}
