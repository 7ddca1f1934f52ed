#include <amnet/kernels/fill.h>
#include <amnet/kernels/transfer.h>

#include <cstring>
#include <vector>

#include "catch.h"
#include "parity.h"

using namespace amnet;

namespace {

Tensor labels_from(std::int64_t first, std::int64_t count = 3) {
  Tensor labels({count}, DType::i64);
  for (std::int64_t i = 0; i < count; ++i) labels.data<std::int64_t>()[static_cast<std::size_t>(i)] = first + i;
  return labels;
}

}  // namespace

TEST_CASE("transfer: batches arrive in order, though the host goes on writing", "[gpu]") {
  for_each_machine<F32>("transfer: batches", [](Parity& parity) {
    const auto upload = make_upload(parity.cuda);
    const auto results = make_results(parity.cuda);
    Tensor host = labels_from(0);
    std::vector<Tensor> reads;  // made beforehand: freeing memory waits for all work
    for (std::int64_t batch = 0; batch < 7; ++batch) reads.emplace_back(Shape{3}, DType::i64, Memory::cuda);
    for (std::int64_t batch = 0; batch < 7; ++batch) {
      host.copy_from(labels_from(10 * batch));
      const std::vector<Tensor> there = upload->bring({host});
      host.clear();  // the upload no longer needs the host's tensor
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

TEST_CASE("transfer: batches of other shapes arrive whole between those of the first", "[gpu]") {
  for_each_machine<F32>("transfer: shapes", [](Parity& parity) {
    // Rows of each batch; where the number is 0, a tensor of u8 and one of f32 are sent instead.
    constexpr std::int64_t rows[] = {3, 3, 3, 2, 3, 3, 1, 2, 5, 0, 3, 0, 0, 3, 3};
    const auto upload = make_upload(parity.cuda);
    std::vector<Tensor> wanted, reads;
    for (const std::int64_t count : rows) {
      const auto number = static_cast<std::int64_t>(wanted.size());
      wanted.push_back(count > 0 ? labels_from(10 * number, count) : Tensor::of<float>({1, 2}, {static_cast<float>(number), 0.5F}));
      reads.emplace_back(wanted.back().shape(), wanted.back().dtype(), Memory::cuda);
    }
    for (std::size_t batch = 0; batch < wanted.size(); ++batch) {
      std::vector<Tensor> host = {wanted[batch].clone()};
      if (rows[batch] == 0) host.insert(host.begin(), Tensor::of<std::uint8_t>({2}, {7, 9}));
      const std::vector<Tensor> there = upload->bring(host);
      for (const Tensor& brought : host) brought.clear();
      REQUIRE(there.size() == host.size());
      copy(parity.cuda, there.back(), reads[batch]);
      if (rows[batch] == 0) CHECK(there.front().to(Memory::host).data<std::uint8_t>()[1] == 9);
    }
    for (std::size_t batch = 0; batch < wanted.size(); ++batch) {
      INFO("batch " << batch);
      const Tensor found = reads[batch].to(Memory::host);
      REQUIRE(found.size_bytes() == wanted[batch].size_bytes());
      CHECK(std::memcmp(found.raw(), wanted[batch].raw(), found.size_bytes()) == 0);
    }
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
