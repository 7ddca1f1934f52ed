#include <amnet/kernels/adam.h>

#include <cmath>
#include <vector>

#include "catch.h"
#include "parity.h"

using namespace amnet;

namespace {

struct Parameters {
  std::vector<Both> means, squares, values;
  std::vector<AdamUpdate> host, device;

  /// `offset`: how many elements after a multiple of 16 bytes they begin.
  void add(Parity& parity, std::int64_t count, std::int64_t offset) {
    // No sum cancels, so that errors stay small relative to each value.
    const auto drawn = [&](float least) {
      const Tensor random = parity.parameter({count + offset}).host;
      for (float& value : random.data<float>()) value = least + std::abs(value);
      const Both both = parity.same(random);
      return Both{both.host.slice(offset, count + offset), both.device.slice(offset, count + offset)};
    };
    const auto k = static_cast<double>(values.size());
    const AdamOptions options{.learning_rate = 0.01 + 0.001 * k,
                              .beta1 = 0.9 / (1 + k),
                              .beta2 = 1 - 0.1 / (1 + k),
                              .epsilon = 0.01 * (1 + k),
                              .weight_decay = 1e-3 * k,
                              .shrink = 2e-3 * k,
                              .gradient_scale = 1 - 1e-3 * k};
    const Both gradient = drawn(0);
    means.push_back(drawn(0));
    squares.push_back(drawn(0));
    values.push_back(drawn(8));
    host.push_back({options, gradient.host, means.back().host, squares.back().host, values.back().host});
    device.push_back({options, gradient.device, means.back().device, squares.back().device, values.back().device});
  }
  void step_and_check(Parity& parity, Regularization regularization) const {
    const Both clip = parity.same(Tensor::of<float>({1}, {0.5}));
    adam_step(parity.cpu, host, {.regularization = regularization, .clip = clip.host.cast(DType::f64)});
    adam_step(parity.cuda, device, {.regularization = regularization, .clip = clip.host.cast(DType::f64).to(Memory::cuda)});
    for (std::size_t i = 0; i < values.size(); ++i) {
      INFO("parameter " << i);
      parity.check_same(means[i]);
      parity.check_same(squares[i]);
      parity.check_same(values[i]);
    }
  }
};

}  // namespace

// Counts: none, less than a pack, whole blocks, blocks and a remainder.
TEMPLATE_TEST_CASE("adam: step", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("adam: step", [](Parity& parity) {
    for (const std::int64_t offset : {0, 1}) {
      Parameters parameters;
      for (const std::int64_t count : {5000, 0, 1, 7, 4096, 64, 8195, 0}) parameters.add(parity, count, offset);
      parameters.step_and_check(parity, Regularization::l2);
      parameters.step_and_check(parity, Regularization::l1);
    }
  });
}

TEST_CASE("adam: step of more parameters than one launch takes", "[gpu]") {
  for_each_machine<F32>("adam: step of more parameters than one launch takes", [](Parity& parity) {
    Parameters parameters;
    for (std::int64_t k = 0; k < 160; ++k) parameters.add(parity, 1 + k % 9, 0);
    parameters.step_and_check(parity, Regularization::l2);
  });
}

TEST_CASE("adam: no parameters, a raised flag, and tensors that do not belong together", "[gpu]") {
  for_each_machine<F32>("adam: no parameters, a raised flag, and tensors that do not belong together", [](Parity& parity) {
    adam_step(parity.cuda, {});
    const Both two = parity.parameter({2}), three = parity.parameter({3}), value = parity.parameter({2});
    const AdamUpdate wrong[] = {{{}, two.device, two.device, three.device, two.device}},
                     elsewhere[] = {{{}, two.host, two.host, two.host, two.host}};
    CHECK_THROWS_AS(adam_step(parity.cuda, wrong), UsageError);
    CHECK_THROWS_AS(adam_step(parity.cuda, elsewhere), UsageError);
    const AdamUpdate stays[] = {{{}, two.device, two.device, two.device, value.device}};
    adam_step(parity.cuda, stays, {.halted = Tensor::of<std::uint8_t>({1}, {1}).to(Memory::cuda)});
    parity.check_each(value);
  });
}
