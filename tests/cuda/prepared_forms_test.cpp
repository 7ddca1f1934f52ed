// What inferences on the GPU keep of the parameters, weights rounded to bf16: it is never out of
// date, no matter which code writes the parameters.
#include <amnet/kernels/add.h>
#include <amnet/layers/conv2d.h>
#include <amnet/layers/flatten.h>
#include <amnet/layers/fully_connected.h>
#include <amnet/layers/softmax_cross_entropy.h>
#include <amnet/model/model_file.h>
#include <amnet/train/tensor_source.h>

#include <cstddef>
#include <string>
#include <vector>

#include "catch.h"
#include "parity.h"
#include "trainee.h"

using namespace amnet;

namespace {

/// An inference that keeps what it prepares, and one that does not: both must see the current
/// parameters.
class Inferences {
 public:
  Inferences(Device& device, const Net& net, Value input, const Tensor& samples, Value output)
      : device_(device),
        output_(output),
        kept_(net, {.batch = samples.extent(0), .keep = {output}}),
        fresh_(net, {.batch = samples.extent(0), .keep = {output}, .keep_prepared = false}) {
    for (Plan* plan : {&kept_, &fresh_}) plan->value(input).copy_from(samples);
    CHECK(kept_.kernel_bytes(device) > fresh_.kernel_bytes(device));
    look();
  }

  void look() { before_ = outputs_of(kept_); }
  void check_that_it_is_new(const std::string& writer) {
    INFO(writer);
    const std::vector<std::byte> now = outputs_of(kept_);
    CHECK(now == outputs_of(fresh_));
    CHECK(now != before_);
    before_ = now;
  }

 private:
  std::vector<std::byte> outputs_of(Plan& plan) {
    plan.forward(device_);
    const Tensor found = plan.value(output_).to(Memory::host);
    return {found.raw(), found.raw() + found.size_bytes()};
  }

  Device& device_;
  Value output_;
  Plan kept_, fresh_;
  std::vector<std::byte> before_;
};

/// A convolution that doubles its weights in every training pass; no other code writes them: the
/// solver skips them.
class Doubling final : public Layer {
 public:
  std::string_view type() const override { return "doubling"; }
  void build(std::span<const TensorSpec> inputs) override { convolution_.build(inputs); }
  LayerPlan setup(std::span<const TensorSpec> inputs) const override { return convolution_.setup(inputs); }
  void forward(const ForwardArgs& args) const override {
    if (args.context.phase == Phase::train) {
      const Tensor& weight = convolution_.weight().value;
      const Tensor terms[] = {weight, weight};
      on_device(args.context, [&](auto& device) { add_forward(device, terms, weight); });
    }
    convolution_.forward(args);
  }
  void backward(const BackwardArgs& args) const override { convolution_.backward(args); }
  bool sample_wise() const override { return true; }
  void prepare(const PrepareArgs& args) const override { convolution_.prepare(args); }
  std::size_t prepared_bytes(Device& device, Pass pass, std::span<const TensorSpec> inputs) const override {
    return convolution_.prepared_bytes(device, pass, inputs);
  }
  void visit(const ParameterVisitor& visitor) override { convolution_.visit(visitor); }

 private:
  Conv2d convolution_{8, 3, {.pad = 1, .with_bias = false, .weight = {.filler = Filler::xavier(), .lr_mult = 0}}};
};

/// x (N,6,5,8) -> doubling -> fully connected -> loss
Model doubling_model() {
  Model model{.net = Net(DType::bf16), .roles = {.labels = "labels", .loss = "loss"}};
  Net& net = model.net;
  const Value x = net.input("x", {1, 6, 5, 8}), labels = net.input("labels", {1}, DType::i64);
  const Value flat = net.add("flat", Flatten(), {net.add("doubling", Doubling(), {x})});
  net.add("loss", SoftmaxCrossEntropy(), {net.add("fc", FullyConnected(3), {flat}), labels});
  net.initialise(3);
  net.move_to(Memory::cuda);
  return model;
}

}  // namespace

TEST_CASE("prepared forms: on the GPU they follow the parameters, whoever writes them", "[gpu]") {
  for_each_machine<Bf16>("prepared forms: writers", [](Parity& parity) {
    Trainee there(parity.cuda), other(parity.cuda);
    Net& net = there.model.net;
    Inferences inferences(there.device, net, there.model.images(), parity.activation({2, 24, 20, 3}).device, there.model.embedding());
    // Launched, recorded, repeated; and launched again, for fewer samples.
    for (std::int64_t s = 0; s < 5; ++s) {
      there.run_step(s, {4, s == 4 ? 3 : 4});
      inferences.check_that_it_is_new(fmt::format("step {}", s));
    }
    // A run that trains has raised versions too: from here on only the update does.
    there.plan->forward(there.device);
    there.plan->backward(there.device);
    inferences.look();
    there.solver->step(there.device, *there.plan, 0.05);
    inferences.check_that_it_is_new("an update");

    net.visit([](const std::string&, Parameter& parameter) {
      const Tensor halved = parameter.value.to(Memory::host);
      for (float& value : halved.data<float>()) value *= 0.5F;
      parameter.value.copy_from(halved);
    });
    inferences.check_that_it_is_new("a visitor");
    net.initialise(17);
    inferences.check_that_it_is_new("initialise");
    copy_parameters(other.model.net, net);
    inferences.check_that_it_is_new("a copy");
    other.model.net.initialise(18);
    load_tensors(net, model_content(other.model.net), "a file");
    inferences.check_that_it_is_new("a file");
    other.model.net.initialise(19);
    const std::vector<std::string> classes = {there.model.roles.class_weights};
    load_backbone(net, model_content(other.model.net), "a file", classes);
    inferences.check_that_it_is_new("a backbone");
  });
}

TEST_CASE("prepared forms: on the GPU they follow what a training pass writes, launched or repeated", "[gpu]") {
  for_each_machine<Bf16>("prepared forms: training passes", [](Parity& parity) {
    Device device = parity.cuda;
    Model model = doubling_model();
    const Tensor x = parity.activation({12, 6, 5, 8}).device.to(Memory::host), labels({12}, DType::i64);
    for (std::int64_t n = 0; n < 12; ++n) labels.data<std::int64_t>()[static_cast<std::size_t>(n)] = n % 3;
    TensorSource source({{"x", x}, {"labels", labels}}, {.batch = 4});
    Plan plan(model.net, {.batch = 4, .loss = model.loss()});
    Solver solver(model.net, {});
    Inferences inferences(device, model.net, model.net.find("x"), x.slice(0, 2), model.net.find("doubling"));

    plan.value("x").copy_from(x.slice(0, 4));
    plan.value("labels").copy_from(labels.slice(0, 4));
    plan.forward(device);
    inferences.check_that_it_is_new("a training pass");
    plan.backward(device);
    inferences.look();
    CHECK(plan.first_non_finite(device).empty());
    inferences.check_that_it_is_new("a look for values that are not finite");

    TrainStep step(device, model, plan, solver, source);
    for (std::int64_t s = 0; s < 4; ++s) {
      step.run({source.next()}, {.number = s, .seed = 1}, 0.05);
      inferences.check_that_it_is_new(fmt::format("step {}", s));
    }
    CHECK(step.refusal().empty());
    while (step.told(true)) {
    }
  });
}
