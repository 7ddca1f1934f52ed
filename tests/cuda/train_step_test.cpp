// The results of a training step besides its losses, compared with the CPU's: batches smaller than
// planned among those that a GPU repeats from a recording, gradients summed over several
// micro-batches, the values of probes, and the hook that is called for gradients.
#include <amnet/kernels/transfer.h>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "catch.h"
#include "parity.h"
#include "trainee.h"

using namespace amnet;

namespace {

TraineeForm small() {
  return {.network = {.depth = 4, .width = 0.0625, .embedding = 8}, .format = {.height = 16, .width = 16}, .batch = 4, .classes = 5};
}

/// The sizes of the micro-batches of each step.
using Sizes = std::vector<std::vector<std::int64_t>>;

/// Smaller batches before, between and after those that are prepared, recorded and repeated, in
/// either place of a step.
const Sizes uneven = {{3, 4}, {4, 4}, {4, 4}, {4, 3}, {1, 4}, {2, 2}, {4, 4}};

/// At this rate the following steps do not amplify the rounding of a step much.
constexpr double low_rate = 1e-6;

std::vector<TrainStep::Told> run(Trainee& trainee, const Sizes& steps, double learning_rate = 0.05) {
  std::vector<TrainStep::Told> all;
  const auto take = [&](bool wait) {
    while (auto told = trainee.step->told(wait)) all.push_back(std::move(*told));
  };
  for (std::size_t s = 0; s < steps.size(); ++s) {
    trainee.run_step(static_cast<std::int64_t>(s), steps[s], learning_rate);
    take(false);
  }
  take(true);
  return all;
}

bool same_numbers(const std::vector<TrainStep::Told>& a, const std::vector<TrainStep::Told>& b) {
  return std::ranges::equal(a, b, [](const TrainStep::Told& x, const TrainStep::Told& y) {
    return x.step == y.step && x.numbers == y.numbers && x.of_the_step == y.of_the_step;
  });
}

/// The state of the solver: at a low rate it is the sum of all gradients so far, while the
/// parameters would hardly show a wrong one.
std::vector<Tensor> momenta_of(Trainee& trainee) {
  std::vector<Tensor> all;
  for (const Solver::Momentum& one : trainee.solver->state()) all.push_back(one.value.to(Memory::host).clone());
  return all;
}

/// The root of the sum of squares of all gradients that a plan holds.
double norm_of(const Plan& plan) {
  double squares = 0;
  const Tensor gradients = plan.gradients().to(Memory::host);
  for (const float value : gradients.data<float>()) squares += std::pow(double{value}, 2);
  return std::sqrt(squares);
}

}  // namespace

TEST_CASE("train step: every method, and clipped gradients, go as on the CPU", "[gpu]") {
  for_each_machine<F32>("train step: every method, and clipped gradients", [](Parity& parity) {
    for (const SolverMethod method : {SolverMethod::sgd, SolverMethod::nesterov, SolverMethod::adam, SolverMethod::adamw}) {
      for (const double clip_norm : {0.0, 0.01}) {
        INFO(name_of(method) << ", clip_norm " << clip_norm);
        TraineeForm form = small();
        // An epsilon far above rounding: otherwise elements without a gradient move by their noise.
        form.solver = {.method = method, .clip_norm = clip_norm, .epsilon = 1e-3};
        Trainee here(Cpu(1, ConvolutionAlgorithm::direct), form), there(parity.cuda, form);
        const Sizes steps(4, {4, 4});  // prepared, recorded and repeated
        run(here, steps, low_rate);
        run(there, steps, low_rate);
        CHECK(relative_difference(momenta_of(here), momenta_of(there)) < bound_of_steps<F32>);
        CHECK(relative_difference(here.parameters(), there.parameters()) < bound_of_steps<F32>);
      }
    }
  });
}

TEMPLATE_TEST_CASE("train step: batches smaller than planned go as on the CPU", "[gpu]", F32, Tf32, Bf16) {
  for_each_machine<TestType>("train step: few samples", [](Parity& parity) {
    Trainee here(Cpu(1, ConvolutionAlgorithm::direct), small()), there(parity.cuda, small());
    const std::vector<TrainStep::Told> wanted = run(here, uneven, low_rate), found = run(there, uneven, low_rate);
    REQUIRE(found.size() == wanted.size());
    const double bound = bound_of_steps<TestType>;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      INFO("micro-batch " << i << " of " << wanted[i].batch.size());
      CHECK(found[i].batch.size() == wanted[i].batch.size());
      CHECK(found[i].numbers.front() == Approx(wanted[i].numbers.front()).epsilon(bound));
    }
    CHECK(relative_difference(momenta_of(here), momenta_of(there)) < bound);
  });
}

TEST_CASE("train step: recorded among batches smaller than planned, it gives the bits of a launched one", "[gpu]") {
  for_each_machine<F32>("train step: few samples, recorded", [](Parity&) {
    Trainee launched(Cuda({.deterministic = true, .graphs = false}), small()), recorded(Cuda({.deterministic = true}), small());
    CHECK(same_numbers(run(launched, uneven), run(recorded, uneven)));
    CHECK(same_bits(launched.parameters(), recorded.parameters()));
    CHECK(recorded.step->refusal().empty());
  });
}

TEST_CASE("train step: a step's first, middle and last micro-batch are three recordings that give the bits of launched ones", "[gpu]") {
  for_each_machine<F32>("train step: three micro-batches", [](Parity&) {
    const Sizes steps(5, {4, 4, 4});
    Trainee launched(Cuda({.deterministic = true, .graphs = false}), small()), recorded(Cuda({.deterministic = true}), small());
    const std::vector<TrainStep::Told> wanted = run(launched, steps);
    REQUIRE(wanted.size() == 15);
    CHECK(same_numbers(wanted, run(recorded, steps)));
    CHECK(same_bits(launched.parameters(), recorded.parameters()));
    CHECK(recorded.step->refusal().empty());
  });
}

TEMPLATE_TEST_CASE("train step: probes tell what they tell on the CPU", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("train step: probes", [](Parity& parity) {
    const Sizes steps = {{4, 4, 4}, {4, 4, 4}, {4, 2, 4}, {4, 4, 3}, {4, 4, 4}};
    Trainee here(Cpu(1, ConvolutionAlgorithm::direct), small()), there(parity.cuda, small());
    const std::vector<std::string> names = numbers_of_batch(there.model, there.probes);
    REQUIRE(names == std::vector<std::string>{"loss", "accuracy", "target_cosine", "feature_norm"});
    const std::vector<TrainStep::Told> wanted = run(here, steps, low_rate), found = run(there, steps, low_rate);
    REQUIRE(found.size() == wanted.size());
    const double bound = bound_of_steps<TestType>;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      INFO("micro-batch " << i);
      REQUIRE(found[i].numbers.size() == names.size());
      CHECK(found[i].numbers[2] == Approx(wanted[i].numbers[2]).margin(bound));
      CHECK(found[i].numbers[3] == Approx(wanted[i].numbers[3]).epsilon(bound));
      const std::size_t of_the_step = i % 3 == 2 ? 1 : 0;
      REQUIRE(wanted[i].of_the_step.size() == of_the_step);
      REQUIRE(found[i].of_the_step.size() == of_the_step);
      if (of_the_step > 0) CHECK(found[i].of_the_step[0] == Approx(wanted[i].of_the_step[0]).epsilon(bound));
    }
    // The gradient of all three, as the plan still has it.
    CHECK(found.back().of_the_step[0] == Approx(norm_of(*there.plan)).epsilon(1e-12));
    CHECK(wanted.back().of_the_step[0] == Approx(norm_of(*here.plan)).epsilon(1e-12));
  });
}

TEST_CASE("train step: gradients are told in a step's last micro-batch alone, and what that enqueues is repeated", "[gpu]") {
  for_each_machine<F32>("train step: on_gradients", [](Parity&) {
    for (const bool graphs : {false, true}) {
      Trainee there(Cuda({.deterministic = true, .graphs = graphs}), small());
      const Tensor& gradients = there.plan->gradients();
      const Tensor seen(gradients.shape(), gradients.dtype(), Memory::cuda);
      std::size_t end_of_last = 0;
      int times = 0;
      there.plan->on_gradients([&](std::size_t begin, std::size_t end) {
        CHECK(begin == end_of_last);
        CHECK(begin < end);
        const auto first = static_cast<std::int64_t>(begin / sizeof(float)), last = static_cast<std::int64_t>(end / sizeof(float));
        copy(std::get<Cuda>(there.device), gradients.slice(first, last), seen.slice(first, last));
        end_of_last = end;
        if (end < gradients.size_bytes()) return;
        end_of_last = 0;
        ++times;
      });
      const Sizes steps = {{4, 4, 4}, {4, 4, 4}, {4, 4, 4}, {4}, {4, 4, 4}, {4, 4, 2}};
      // The second step of each kind is recorded; a single micro-batch is a separate kind.
      const std::vector<int> told = graphs ? std::vector<int>{1, 2, 2, 3, 3, 4} : std::vector<int>{1, 2, 3, 4, 5, 6};
      for (std::size_t s = 0; s < steps.size(); ++s) {
        INFO("graphs " << graphs << ", step " << s);
        seen.clear();
        there.run_step(static_cast<std::int64_t>(s), steps[s]);
        CHECK(times == told[s]);
        CHECK(end_of_last == 0);
        CHECK(same_bits({seen.to(Memory::host)}, {gradients.to(Memory::host)}));
      }
      std::vector<double> losses;
      there.take_losses(losses, true);
      CHECK(losses.size() == 16);
    }
  });
}
