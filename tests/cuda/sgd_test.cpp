#include <amnet/kernels/sgd.h>

#include <cmath>
#include <vector>

#include "catch.h"
#include "parity.h"

using namespace amnet;

namespace {

struct Parameters {
  std::vector<Both> momenta, values;
  std::vector<SgdUpdate> host, device;

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
    const SgdOptions options{
        .learning_rate = 0.01 + 0.001 * k, .momentum = 0.9 / (1 + k), .weight_decay = 1e-3 * k, .gradient_scale = 1 - 1e-3 * k};
    const Both gradient = drawn(0);
    momenta.push_back(drawn(0));
    values.push_back(drawn(8));
    host.push_back({options, gradient.host, momenta.back().host, values.back().host});
    device.push_back({options, gradient.device, momenta.back().device, values.back().device});
  }
  void step_and_check(Parity& parity) const {
    sgd_step(parity.cpu, host);
    sgd_step(parity.cuda, device);
    check(parity);
  }
  /// With other terms than the usual ones; `nesterov`: by its rule.
  void step_and_check(Parity& parity, Regularization regularization, double clip, bool nesterov) const {
    const Tensor factor = Tensor::of<double>({1}, {clip});
    const UpdateTerms here{.regularization = regularization, .clip = factor};
    const UpdateTerms there{.regularization = regularization, .clip = factor.to(Memory::cuda)};
    if (nesterov) {
      nesterov_step(parity.cpu, host, here);
      nesterov_step(parity.cuda, device, there);
    } else {
      sgd_step(parity.cpu, host, here);
      sgd_step(parity.cuda, device, there);
    }
    check(parity);
  }
  void check(Parity& parity) const {
    for (std::size_t i = 0; i < values.size(); ++i) {
      INFO("parameter " << i);
      parity.check_same(momenta[i]);
      parity.check_same(values[i]);
    }
  }
};

}  // namespace

// Counts: none, less than a pack, whole blocks, blocks and a remainder.
TEMPLATE_TEST_CASE("sgd: step", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("sgd: step", [](Parity& parity) {
    for (const std::int64_t offset : {0, 1}) {
      Parameters parameters;
      for (const std::int64_t count : {5000, 0, 1, 7, 4096, 64, 8195, 0}) parameters.add(parity, count, offset);
      parameters.step_and_check(parity);
      parameters.step_and_check(parity);
    }
  });
}

TEMPLATE_TEST_CASE("sgd: step of Nesterov, of clipped gradients, with the decay of l1", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("sgd: step of Nesterov, of clipped gradients, with the decay of l1", [](Parity& parity) {
    Parameters parameters;
    for (const std::int64_t count : {5000, 0, 1, 7, 4096}) parameters.add(parity, count, 0);
    for (const Regularization regularization : {Regularization::l2, Regularization::l1}) {
      parameters.step_and_check(parity, regularization, 0.5, false);
      parameters.step_and_check(parity, regularization, 0.25, true);
    }
  });
}

TEMPLATE_TEST_CASE("sgd: step of more parameters than one launch takes", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("sgd: step of more parameters than one launch takes", [](Parity& parity) {
    Parameters parameters;
    for (std::int64_t k = 0; k < 160; ++k) parameters.add(parity, 1 + k % 9, 0);
    parameters.step_and_check(parity);
  });
}

TEST_CASE("sgd: no parameters, and tensors that do not belong together", "[gpu]") {
  for_each_machine<F32>("sgd: no parameters, and tensors that do not belong together", [](Parity& parity) {
    sgd_step(parity.cuda, {});
    const Both two = parity.parameter({2}), three = parity.parameter({3});
    const SgdUpdate wrong[] = {{{}, two.device, two.device, three.device}}, elsewhere[] = {{{}, two.host, two.host, two.host}};
    CHECK_THROWS_AS(sgd_step(parity.cuda, wrong), UsageError);
    CHECK_THROWS_AS(sgd_step(parity.cuda, elsewhere), UsageError);
  });
}
