// Whole training steps of a small version of the network on the GPU, compared with the CPU's:
// planning on a device, every layer in both passes, the solver, uploads and results that run in
// parallel, and a net that changes its device between steps.
#include <cmath>
#include <limits>
#include <vector>

#include "catch.h"
#include "parity.h"
#include "trainee.h"

using namespace amnet;

TEMPLATE_TEST_CASE("training: three steps go as on the CPU", "[gpu]", F32, Tf32, Bf16) {
  for_each_machine<TestType>("training: three steps", [](Parity& parity) {
    Trainee here(Cpu(1, ConvolutionAlgorithm::direct)), there(parity.cuda);
    const std::vector<double> wanted = here.train(0, 3), found = there.train(0, 3);
    REQUIRE(wanted.size() == 6);
    REQUIRE(found.size() == 6);
    const double bound = bound_of_steps<TestType>;
    for (std::size_t i = 0; i < wanted.size(); ++i) CHECK(found[i] == Approx(wanted[i]).epsilon(bound));
    CHECK(relative_difference(here.parameters(), there.parameters()) < bound);
    CHECK(there.model.net.memory() == Memory::cuda);
  });
}

TEST_CASE("training: three runs on the GPU give the same bits", "[gpu]") {
  for_each_machine<F32>("training: same bits", [](Parity& parity) {
    std::vector<Tensor> first;
    for (int run = 0; run < 3; ++run) {
      Trainee there(Cuda({.deterministic = true}));
      there.train(0, 2);
      if (run == 0) first = there.parameters();
      CHECK(same_bits(first, there.parameters()));
    }
    static_cast<void>(parity);
  });
}

TEST_CASE("training: recorded steps give the bits of launched ones", "[gpu]") {
  for_each_machine<F32>("training: graphs", [](Parity& parity) {
    Trainee launched(Cuda({.deterministic = true, .graphs = false})), recorded(Cuda({.deterministic = true}));
    CHECK(launched.train(0, 5) == recorded.train(0, 5));
    CHECK(same_bits(launched.parameters(), recorded.parameters()));
    CHECK(recorded.step->refusal().empty());
    static_cast<void>(parity);
  });
}

TEST_CASE("training: a loss that is not finite stops every later update", "[gpu]") {
  for_each_machine<F32>("training: halted", [](Parity& parity) {
    Trainee there(parity.cuda);
    there.train(0, 1);
    const std::vector<Tensor> before = there.parameters();
    Parameter* weights = nullptr;
    there.model.net.visit([&](const std::string& name, Parameter& parameter) {
      if (name == "conv1_1.bias") weights = &parameter;
    });
    REQUIRE(weights != nullptr);
    const Tensor good = weights->value.clone();
    weights->value.copy_from(Tensor::of(good.shape(), std::span<const float>(std::vector<float>(static_cast<std::size_t>(good.count()),
                                                                                                std::numeric_limits<float>::infinity()))));
    const std::vector<double> losses = there.train(1, 2);
    CHECK(!std::isfinite(losses[0]));
    CHECK(there.step->first_non_finite(there.batch_of(2), {.number = 1, .seed = Trainee::seed}) == "the bias of layer 'conv1_1'");
    weights->value.copy_from(good);
    there.train(2, 4);  // the flag stays set
    CHECK(same_bits(before, there.parameters()));
  });
}

TEST_CASE("training: a net goes on where another device left it", "[gpu]") {
  for_each_machine<F32>("training: across devices", [](Parity& parity) {
    Trainee whole(Cpu(1, ConvolutionAlgorithm::direct));
    whole.train(0, 4);
    Trainee first(parity.cuda), second(Cpu(1, ConvolutionAlgorithm::direct));
    first.train(0, 2);
    copy_parameters(first.model.net, second.model.net);
    for (std::size_t i = 0; i < first.solver->state().size(); ++i) {
      second.solver->state()[i].value.copy_from(first.solver->state()[i].value);
    }
    second.train(2, 4);
    CHECK(relative_difference(whole.parameters(), second.parameters()) < 1e-4);
  });
}

TEST_CASE("net: a device that computes in another memory than the net's is refused", "[gpu]") {
  for_each_machine<F32>("net: memories", [](Parity& parity) {
    Trainee there(parity.cuda);
    Device cpu = Cpu(1);
    CHECK_THROWS_AS(there.plan->forward(cpu), UsageError);
    CHECK_THROWS_AS(there.model.net.move_to(Memory::host), UsageError);  // a plan exists
  });
}
