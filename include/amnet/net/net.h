// A static graph of named layers. Layers are added in the order they run; parameters belong to the
// layers. Plans run it (net/plan.h): there can be one for each shape and purpose at the same time.
// Deliberately not included: dynamic control flow, and anything about files, data or solvers.
//
//   Net net;
//   Value images = net.input("data", {1, 112, 96, 3});
//   Value active = net.add("relu", PRelu(), {net.add("conv", Conv2d(16, 3), {images})});
//   net.initialise(1);
//   Plan plan(net, {.batch = 32, .keep = {active}});
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
using NamedParameterLook = std::function<void(const std::string& name, const Parameter& parameter)>;

struct NetInput {
  std::string name;
  TensorSpec spec;  ///< with the placeholder for the batch
};

struct NetLayer {
  std::string name;
  const Layer* layer;  ///< of the net
  /// names of values: those of inputs, or of layers, with ":1" for a second output
  std::vector<std::string> inputs;
};

struct Graph;

class Net {
 public:
  /// `dtype` is that of images and activations, and also of features and parameters, except that
  /// these are f32 for bf16. Double is for gradient checks, bf16 for GPUs.
  explicit Net(DType dtype = DType::f32);
  ~Net();
  Net(Net&&) noexcept;
  Net& operator=(Net&&) noexcept;

  // --- building -------------------------------------------------------------------------------------------

  /// An input whose first extent is the batch; the one given here is a placeholder. Throws
  /// UsageError for a name in use.
  Value input(std::string name, Shape shape) { return input(std::move(name), shape, dtype()); }
  Value input(std::string name, Shape shape, DType dtype);
  /// An input of always this shape, whatever the batch is: weights that come from outside.
  Value fixed_input(std::string name, Shape shape, DType dtype);
  /// Adds a layer that reads `inputs`, and makes its parameters; returns its first output. Shapes
  /// are checked at once; UsageError names the layer. Existing plans do not include it.
  template <std::derived_from<Layer> L>
  Value add(std::string name, L layer, std::vector<Value> inputs) {
    return add(std::move(name), std::make_unique<L>(std::move(layer)), std::move(inputs));
  }
  Value add(std::string name, std::unique_ptr<Layer> layer, std::vector<Value> inputs);
  /// Further outputs of the layer whose first output is `first`: output(v, 0) is v.
  Value output(Value first, int which) const;
  /// The first output of the layer, or the input, of that name. Throws UsageError when there is
  /// none.
  Value find(std::string_view name) const;

  // --- parameters -----------------------------------------------------------------------------------------

  /// Passes every parameter and buffer as "layer.parameter", in the order of the layers, to a
  /// visitor that may change them: what plans had prepared from them is out of date after that. Do
  /// not call it while a plan of this net runs in another thread.
  void visit(const NamedParameterVisitor& visitor);
  /// The same, read only.
  void look(const NamedParameterLook& visitor) const;
  /// Draws every parameter by its filler: a function of the seed and the parameter's name alone.
  void initialise(std::uint64_t seed);
  /// The number of learned values (buffers are not counted).
  std::int64_t parameter_count() const;
  /// Bytes of parameters and buffers, and of the gradients that a plan for training has.
  std::size_t parameter_bytes() const;
  std::size_t gradient_bytes() const;

  // --- placing --------------------------------------------------------------------------------------------

  /// Moves the parameters into a memory, where all later plans are placed too. A new net is in the
  /// host's memory. Throws UsageError where a plan of this net exists.
  void move_to(Memory memory);
  Memory memory() const;

  // --- looking --------------------------------------------------------------------------------------------

  DType dtype() const;
  /// The inputs, and the layers in the order they run.
  std::vector<NetInput> inputs() const;
  std::vector<NetLayer> layers() const;
  /// As the net was built, with the placeholder for the batch.
  TensorSpec spec(Value value) const;
  /// A line per layer: name, type, output shape, parameters.
  std::string summary() const;

 private:
  friend class Plan;
  void require_new_name(std::string_view name) const;

  std::shared_ptr<Graph> graph_;  // shared with the plans
};

/// Copies into `to` every parameter of `from` with the same name, converted to the dtype that it
/// has in `to`: this moves a backbone to a new head. Returns the names of `to` that `from` does not
/// have. Throws UsageError naming a parameter whose shape differs.
std::vector<std::string> copy_parameters(const Net& from, Net& to);

}  // namespace amnet
