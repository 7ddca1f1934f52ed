// Whole training steps of the network's small sister on the GPU, held to the CPU's: planning on a device, every layer in both passes, the
// solver, uploads and results that run beside, and a net that changes its device half way.
#include <amnet/io/model_file.h>
#include <amnet/net/heads.h>
#include <amnet/net/sphere_face.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "catch.h"
#include "parity.h"
#include "train/train_step.h"

using namespace amnet;

namespace {

constexpr std::int64_t batch_size = 4, classes = 7;
constexpr std::uint64_t seed = 5;

const ModelDescription description{
    .network = {.depth = 4, .width = 0.125, .embedding = 16}, .input = {.height = 24, .width = 20}, .embedding = "fc5"};

Batch batch_of(std::int64_t step) {
  Batch batch{.pixels = Tensor({batch_size, description.input.height, description.input.width, 3}, DType::u8),
              .mirrored = Tensor({batch_size}, DType::u8),
              .labels = Tensor({batch_size}, DType::i64),
              .indices = {},
              .first_sample = step * batch_size};
  const Random random(seed, static_cast<std::uint64_t>(step));
  std::uint64_t i = 0;
  for (std::uint8_t& pixel : batch.pixels.data<std::uint8_t>()) pixel = static_cast<std::uint8_t>(random.below(i++, 256));
  for (std::uint8_t& flag : batch.mirrored.data<std::uint8_t>()) flag = static_cast<std::uint8_t>(random.below(i++, 2));
  for (std::int64_t& label : batch.labels.data<std::int64_t>()) label = static_cast<std::int64_t>(random.below(i++, classes));
  return batch;
}

/// A net on a device, and steps of it.
struct Trainee {
  explicit Trainee(Device where)
      : device(std::move(where)),
        model(build_model(description, activation_dtype(device))),
        labels(model.net.input("labels", {1}, DType::i64)),
        head(add_head(model.net, model.embedding, labels, {.classes = classes})) {
    model.net.initialise(seed);
    model.net.move_to(memory_of(device));
    solver.emplace(model.net, SolverOptions{});
    model.net.plan_training(batch_size, head.loss, {model.embedding, head.accuracy});
    step.emplace(device,
                 TrainedNet{.net = model.net,
                            .images = model.images,
                            .labels = labels,
                            .embedding = model.embedding,
                            .head = head,
                            .format = description.input},
                 *solver);
  }

  /// Steps [first, last) of two micro-batches each; the losses of all of them.
  std::vector<double> train(std::int64_t first, std::int64_t last) {
    std::vector<double> losses;
    const auto take = [&](bool wait) {
      while (const auto done = step->done(wait)) losses.push_back(done->meters.loss);
    };
    for (std::int64_t s = first; s < last; ++s) {
      step->accumulate(batch_of(2 * s), {.number = s, .seed = seed}, Write::assign);
      step->accumulate(batch_of(2 * s + 1), {.number = s, .seed = seed}, Write::add);
      step->update(0.05, 2);
      take(false);
    }
    take(true);
    return losses;
  }

  std::vector<Tensor> parameters() {
    std::vector<Tensor> all;
    model.net.visit([&](const std::string&, Parameter& parameter) { all.push_back(parameter.value.to(Memory::host).clone()); });
    return all;
  }

  Device device;
  BuiltModel model;
  Value labels;
  Head head;
  std::optional<Solver> solver;
  std::optional<TrainStep> step;
};

double relative_difference(const std::vector<Tensor>& wanted, const std::vector<Tensor>& found) {
  double difference = 0, norm = 0;
  REQUIRE(wanted.size() == found.size());
  for (std::size_t t = 0; t < wanted.size(); ++t) {
    const auto a = wanted[t].data<const float>(), b = found[t].data<const float>();
    for (std::size_t i = 0; i < a.size(); ++i) {
      difference += std::pow(double{a[i]} - double{b[i]}, 2);
      norm += std::pow(double{a[i]}, 2);
    }
  }
  return std::sqrt(difference / norm);
}

bool same_bits(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  return std::ranges::equal(a, b, [](const Tensor& x, const Tensor& y) { return std::ranges::equal(x.data<float>(), y.data<float>()); });
}

}  // namespace

TEMPLATE_TEST_CASE("training: three steps go as on the CPU", "[gpu]", F32, Tf32, Bf16) {
  for_each_machine<TestType>("training: three steps", [](Parity& parity) {
    Trainee here(Cpu(1, ConvolutionAlgorithm::direct)), there(parity.cuda);
    const std::vector<double> wanted = here.train(0, 3), found = there.train(0, 3);
    REQUIRE(wanted.size() == 6);
    REQUIRE(found.size() == 6);
    // Every step builds on the last one's rounding.
    const double bound = TestType::precision == ProductPrecision::f32 ? 1e-4 : TestType::precision == ProductPrecision::tf32 ? 2e-2 : 5e-2;
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
    CHECK(there.step->first_non_finite(batch_of(2), {.number = 1, .seed = seed}) == "the bias of layer 'conv1_1'");
    weights->value.copy_from(good);
    there.train(2, 4);  // the flag stays raised
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
    Context context{.device = cpu};
    CHECK_THROWS_AS(there.model.net.forward(context), UsageError);
  });
}
