// A static graph of named layers. Layers are added in the order they run; a plan lays out the memory of a
// training step or of an inference; parameters belong to the layers and survive every new plan.
// Left out on purpose: dynamic control flow, and any knowledge of files, data or solvers.
//
//   Net net;
//   Value images = net.input("data", {1, 112, 96, 3});
//   Value active = net.add("relu", PRelu(), {net.add("conv", Conv2d({.outputs = 16}), {images})});
//   net.initialise(seed);
//   net.plan_inference(32, {active});
//   net.value(images).copy_from(batch);
//   net.forward(context);                       // then read net.value(active)
#pragma once

#include <amnet/layers/layer.h>

#include <concepts>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace amnet {

/// A value of the graph: an input, or an output of a layer.
struct Value {
  int index = -1;
  friend bool operator==(Value, Value) = default;
};

using NamedParameterVisitor = std::function<void(const std::string& name, Parameter& parameter)>;

/// What a plan runs at a time: the names of the layers that run as one, and the samples that go through together.
struct NetStep {
  std::vector<std::string> layers;
  std::int64_t samples;
};

/// What a plan takes of memory, in bytes.
struct PlanBytes {
  std::size_t values = 0;   ///< activations, their gradients and saved state
  std::size_t kernels = 0;  ///< what the device and the layers hold for the kernels: scratch, and what is prepared in every step
};

struct Graph;
struct NetPlan;
struct PlannedRun;

class Net {
 public:
  /// `dtype` is that of images and activations, and but for bf16 of features and parameters too, which are f32 then. Double is for
  /// gradient checks, bf16 for GPUs.
  explicit Net(DType dtype = DType::f32);
  ~Net();
  Net(Net&&) noexcept;
  Net& operator=(Net&&) noexcept;

  // --- building -------------------------------------------------------------------------------------------

  /// An input whose first extent is the batch; the one given here is a placeholder. Throws UsageError for a name in use.
  Value input(std::string name, Shape shape) { return input(std::move(name), shape, dtype()); }
  Value input(std::string name, Shape shape, DType dtype);
  /// Adds a layer that reads `inputs`; answers its first output. Shapes are checked at once; UsageError names the layer.
  template <std::derived_from<Layer> L>
  Value add(std::string name, L layer, std::vector<Value> inputs) {
    return add_layer(std::move(name), std::make_unique<L>(std::move(layer)), std::move(inputs));
  }
  /// Further outputs of the layer whose first output is `first`: output(v, 0) is v.
  Value output(Value first, int which) const;
  /// The first output of the layer, or the input, of that name. Throws UsageError when there is none.
  Value find(std::string_view name) const;

  // --- parameters -----------------------------------------------------------------------------------------

  /// Shows every parameter and buffer as "layer.parameter", in the order of the layers.
  void visit(const NamedParameterVisitor& visitor);
  /// Draws every parameter by its filler: a function of the seed and the parameter's name alone.
  void initialise(std::uint64_t seed);
  /// The number of learned values (buffers are not counted).
  std::int64_t parameter_count();

  // --- placing --------------------------------------------------------------------------------------------

  /// Moves parameters and their gradients into a memory, where all plans will lie from then on; the last plan is gone. A net begins in the
  /// host's memory.
  void move_to(Memory memory);
  Memory memory() const;

  // --- planning -------------------------------------------------------------------------------------------

  /// Gives an input another shape for the next plan (an image pyramid).
  void set_input_shape(Value input, Shape shape);
  /// Memory for forward and backward of `loss`, a value of one element. `keep` may be read after forward or backward: name only
  /// what is read, because a kept value shares its memory with nothing, not even with its own gradient.
  void plan_training(std::int64_t batch, Value loss, std::vector<Value> keep = {});
  /// Memory for a forward pass; only layers that `keep` depends on run. `keep` may be read until the next forward.
  void plan_inference(std::int64_t batch, std::vector<Value> keep);
  /// What plan_training or plan_inference would take on `device`, without taking it. The last plan is gone then: plan before anything runs.
  PlanBytes measure_training(Device& device, std::int64_t batch, Value loss, std::vector<Value> keep = {});
  PlanBytes measure_inference(Device& device, std::int64_t batch, std::vector<Value> keep);
  /// Bytes that the last plan took for activations, their gradients and saved state.
  std::size_t planned_bytes() const;
  /// Bytes of parameters and buffers, and of the gradients that training allocates.
  std::size_t parameter_bytes();
  std::size_t gradient_bytes();
  /// Bytes that the device and the layers will hold for the kernels of the last plan: scratch, and what is prepared in every step.
  std::size_t kernel_bytes(Device& device) const;

  // --- running --------------------------------------------------------------------------------------------

  /// The tensor of a value under the current plan, in the net's memory. Throws UsageError for one the plan does not keep.
  const Tensor& value(Value value) const;
  void forward(Context& context);
  /// For many forwards of an inference with the same parameters: lets layers keep what their kernels make of them. It holds until the
  /// next plan; whoever changes a parameter before that calls it again. Throws UsageError under a training plan.
  void prepare(Context& context);
  /// After each forward of a training plan, once: it overwrites what forward left. `parameters` is assign for a step's first micro-batch
  /// and add for later ones.
  void backward(Context& context, Write parameters = Write::assign);
  /// Runs forward layer by layer and names the first parameter or output that is not finite; empty when all are.
  std::string first_non_finite(Context& context);

  DType dtype() const;
  TensorSpec spec(Value value) const;
  /// A line per layer: name, type, output shape, parameters.
  std::string summary();
  /// What the last plan runs, in order. Where `samples` is less than the batch, so many go through all steps up to here before the next
  /// do: what they leave behind is then still in the cache.
  std::vector<NetStep> steps() const;

 private:
  Value add_layer(std::string name, std::unique_ptr<Layer> layer, std::vector<Value> inputs);
  void require_new_name(std::string_view name) const;
  void plan(std::int64_t batch, Value loss, const std::vector<Value>& keep);
  PlanBytes measure(Device& device, std::int64_t batch, Value loss, const std::vector<Value>& keep);
  void require_here(const Context& context) const;
  void forward_run(Context& context, const PlannedRun& run);

  std::unique_ptr<Graph> graph_;
  std::unique_ptr<NetPlan> plan_;  // the last one
};

/// Copies into `to` every parameter of `from` with the same name: how a backbone moves to a new head.
/// Answers the names of `to` that `from` does not have. Throws UsageError naming a parameter whose shape differs.
std::vector<std::string> copy_parameters(Net& from, Net& to);
/// Makes every parameter and buffer of `to` the very tensor of that name in `from`: what one learns the other has.
/// Both lie in one memory. Throws UsageError naming a parameter that `from` lacks or has in another shape.
void share_parameters(Net& from, Net& to);

}  // namespace amnet
