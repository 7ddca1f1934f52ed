// The one interface of every layer. A layer is a value with options; it owns its parameters, never
// its activations, nor anything that depends on shapes, device or phase: a plan keeps those and
// passes them in, so that any number of plans can run one layer. A layer does not contain the
// graph.
//
// To write one: `build` makes the parameters and `visit` passes them to a visitor, `setup` names
// the shapes, `forward` and `backward` call a kernel. docs/adding_a_layer.md builds one step by
// step.
//
//   struct Same final : Layer {   // y = x
//     std::string_view type() const override { return "same"; }
//     LayerPlan setup(std::span<const TensorSpec> inputs) const override { return {.outputs = {inputs[0]}}; }
//     void forward(const ForwardArgs& args) const override {
//       on_device(args.context, [&](auto& device) { copy(device, args.inputs[0], args.outputs[0]); });
//     }
//     void backward(const BackwardArgs& args) const override {
//       on_device(args.context, [&](auto& device) { add_backward(device, args.output_gradients[0], args.input_gradients[0]); });
//     }
//   };
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/gradient.h>
#include <amnet/core/options.h>
#include <amnet/core/random.h>
#include <amnet/core/tensor.h>

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace amnet {

/// Training draws dropout, uses batch statistics and applies margins; testing does none of these.
enum class Phase : unsigned char { train, test };

/// What changes from step to step, besides the data.
struct Step {
  std::int64_t number = 0;  ///< steps done before this one: drives annealed margins and dropout
  std::uint64_t seed = 0;   ///< of the run
};

/// The step as layers see it. It records whether a layer read the number: what is launched then
/// differs from step to step, and cannot be repeated from a recording (kernels/replay.h).
class StepView {
 public:
  StepView() = default;
  StepView(Step step) : step_(step) {}

  std::int64_t number() const {
    number_was_asked_ = true;
    return step_.number;
  }
  std::uint64_t seed() const { return step_.seed; }
  bool number_was_asked() const { return number_was_asked_; }

 private:
  Step step_;
  mutable bool number_was_asked_ = false;
};

/// What a layer needs to know about the run that it is part of. The plan sets the phase, the
/// training code sets the step.
struct Context {
  Device& device;
  Phase phase;
  StepView step = {};
};

/// The two directions through a net.
enum class Pass : unsigned char { forward, backward };

class PreparedForms;  // layers/prepared_forms.h

/// How a parameter's values are drawn before the first step. A row is one index of the first
/// extent. n below is elements / first extent, elements / second extent of the order in files
/// (elements, of a vector), or their mean, as `fan` says: in, out or average.
struct Filler {
  enum class Kind : unsigned char {
    constant,  ///< `value`
    xavier,    ///< uniform in +-sqrt(3 / n) (Glorot and Bengio, 2010, as Caffe scales it)
    gaussian,  ///< normal, with `mean` and the standard deviation `value`
    /// normal, with the deviation sqrt(2 / (n (1 + slope^2))) (He, Zhang, Ren, Sun, 2015)
    msra,
    uniform,       ///< in [low, high)
    unit_rows,     ///< normal, each row divided by its length
    positive_rows  ///< uniform in [0, 1), each row divided by its sum
  } kind = Kind::constant;
  enum class Fan : unsigned char { in, out, average };
  double value = 0;
  double mean = 0;
  double low = 0, high = 1;
  Fan fan = Fan::in;
  double slope = 0;  ///< of the leaky ReLU that follows, for msra
  /// of a gaussian: how many values of a column are not zero, in the mean; negative: all
  std::int64_t sparse = -1;

  template <class Fields>
  void fields(Fields& fields) {
    fields("kind", kind);
    fields("value", value);
    fields("mean", mean, 0.0);
    fields("low", low, 0.0);
    fields("high", high, 1.0);
    fields("fan", fan, Fan::in);
    fields("slope", slope, 0.0);
    fields("sparse", sparse, std::int64_t{-1});
  }
  friend constexpr std::array<std::string_view, 7> names_of(Kind) {
    return {"constant", "xavier", "gaussian", "msra", "uniform", "unit_rows", "positive_rows"};
  }
  friend constexpr std::array<std::string_view, 3> names_of(Fan) { return {"in", "out", "average"}; }

  static Filler constant(double value) { return {.kind = Kind::constant, .value = value}; }
  static Filler xavier() { return {.kind = Kind::xavier}; }
  static Filler gaussian(double deviation) { return {.kind = Kind::gaussian, .value = deviation}; }
};

/// How a parameter is laid out here, so that files can have the order that is usual in the field.
enum class ParameterLayout : unsigned char {
  plain,       ///< the file holds the same order
  convolution  ///< (out, kh, kw, in) here, (out, in, kh, kw) in files
};

/// A learned tensor or a buffer (a running statistic): everything of a layer that a file or a
/// resume must restore. Its gradient belongs to the plan that trains (net/plan.h).
struct Parameter {
  std::string name;       ///< within the layer: "weight", "bias", "slope"
  Tensor value;           ///< made by build
  Filler filler;          ///< how initialise() draws the value
  double lr_mult = 1;     ///< multiplies the learning rate; 0 freezes: no gradient is computed
  double decay_mult = 1;  ///< multiplies the weight decay
  /// not learned: no gradient and no decay; lr_mult 0 keeps the running statistics of a BatchNorm
  bool buffer = false;
  ParameterLayout layout = ParameterLayout::plain;
  /// Raised by the code that causes a write to the value: what was prepared from it is then known
  /// to be out of date. The work that writes does not raise it; it may be a recording that the host
  /// does not see.
  std::uint64_t version = 1;

  bool trainable() const { return !buffer && lr_mult != 0; }
};

using ParameterVisitor = std::function<void(Parameter&)>;
using ParameterLook = std::function<void(const Parameter&)>;

/// The multipliers of one parameter, as layers take them in their options.
struct ParameterOptions {
  Filler filler = {};
  double lr_mult = 1;
  double decay_mult = 1;

  template <class Fields>
  void fields(Fields& fields) {
    fields("filler", filler);
    fields("lr_mult", lr_mult);
    fields("decay_mult", decay_mult);
  }
};

/// One tensor that a layer requests from the plan.
struct TensorSpec {
  Shape shape;
  DType dtype;
  /// Whether the first extent is the number of samples: for fewer samples than planned, such a
  /// tensor is passed in with that many rows. False for a tensor of all samples together, such as a
  /// mean loss, or of none, such as the norms of weights.
  bool per_sample = true;
};

/// What a plan keeps for a layer besides tensors, where the layer needs it: data about the shapes
/// that it was set up for, and what its kernels prepare.
struct LayerState {
  virtual ~LayerState() = default;
};

/// What `setup` returns: the outputs, and the state kept from forward to backward (masks, indices,
/// statistics).
struct LayerPlan {
  std::vector<TensorSpec> outputs = {};
  std::vector<TensorSpec> saved = {};
  /// kept like `saved`, but undefined where no backward pass follows
  std::vector<TensorSpec> for_backward = {};
  std::vector<TensorSpec> scratch = {};  ///< room that backward needs while it runs
  /// passed in with every call; null where the layer needs none
  std::unique_ptr<LayerState> state = {};
};

/// Which values backward reads, so that the net keeps those and shares the memory of the rest.
struct BackwardNeeds {
  bool inputs = true;
  bool outputs = false;
  /// An input whose gradient is the first output's, unchanged (-1: none): the net may pass in one
  /// tensor for both, and backward then leaves it unchanged. Another input's gradient is written
  /// only after the output's was read.
  int passes_gradient_to = -1;
  /// The input whose gradient backward may write over the input's own value, or -1. If the value is
  /// not read afterwards, the net passes in one tensor for both, with a gradient to assign;
  /// otherwise they are two tensors.
  int overwrites = -1;
};

struct ForwardArgs {
  Context& context;
  std::span<const Tensor> inputs;
  std::span<const Tensor> outputs;  ///< uninitialised: forward writes every element
  std::span<const Tensor> saved;    ///< uninitialised: forward writes what backward will read
  std::span<const Tensor> for_backward = {};
  LayerState* state = nullptr;  ///< as `setup` made it
};

/// Where the gradient of one parameter is to go.
struct ParameterGradient {
  const Parameter* parameter;
  Tensor gradient;  ///< of the parameter's shape
};

struct BackwardArgs {
  Context& context;
  /// undefined unless needs().inputs; read only, except needs().overwrites
  std::span<const Tensor> inputs;
  std::span<const Tensor> outputs;           ///< undefined unless needs().outputs
  std::span<const Tensor> saved;             ///< as forward left it; backward may overwrite it
  std::span<const Tensor> output_gradients;  ///< undefined for an output that no loss depends on
  std::span<const Gradient> input_gradients;
  /// assign on a step's first micro-batch, add on later ones
  Write parameters = Write::assign;
  std::span<const Tensor> for_backward = {};  ///< as forward left it
  std::span<const Tensor> scratch = {};       ///< uninitialised
  /// of the layer's trainable parameters
  std::span<const ParameterGradient> parameter_gradients = {};
  LayerState* state = nullptr;  ///< as `setup` made it

  /// The gradient of a parameter to be written: skipped where the parameter is frozen.
  Gradient gradient_of(const Parameter& parameter) const {
    for (const ParameterGradient& one : parameter_gradients) {
      if (one.parameter == &parameter) return {one.gradient, parameters};
    }
    return {};
  }
};

/// See Layer::prepare.
struct PrepareArgs {
  Context& context;
  Pass pass;
  LayerState* state;  ///< as `setup` made it
  /// Keeps the prepared forms from run to run, for all plans of the net, until the version of their
  /// parameter changes. Null: they are made from the current values, for the calls of this pass
  /// alone.
  PreparedForms* kept;
};

class Layer {
 public:
  virtual ~Layer() = default;

  /// The name in messages and files: "conv2d".
  virtual std::string_view type() const = 0;
  /// All options that it was made with, so that a file can hold them and the row of its type in a
  /// table can make the layer again (model/layer_types.h). Nothing where it cannot be described:
  /// such a layer can be trained, but no model file can hold its net.
  virtual std::optional<Options> options() const { return std::nullopt; }
  /// The dtype of the net's activations: once, before `build`, for a layer without inputs, whose
  /// outputs have it.
  virtual void take_dtype(DType) {}
  /// Makes the parameters for inputs like these: once, when the layer joins a net. Nothing by
  /// default.
  virtual void build(std::span<const TensorSpec> /*inputs*/) {}
  /// Checks the inputs and returns what the layer needs for them, for each plan separately (another
  /// batch size, another image size). Throws UsageError naming what was expected and what was
  /// found.
  virtual LayerPlan setup(std::span<const TensorSpec> inputs) const = 0;
  /// Computes the samples that the tensors hold: those that were planned, or fewer.
  virtual void forward(const ForwardArgs& args) const = 0;
  virtual void backward(const BackwardArgs& args) const = 0;
  /// What backward reads besides `saved`.
  virtual BackwardNeeds needs() const { return {}; }
  /// False for a layer whose outputs no gradient can pass (accuracy).
  virtual bool differentiable() const { return true; }
  /// True where each sample is computed on its own, and every tensor of the plan is per sample. The
  /// plan may then run forward on one group of samples after the other, and backward in the
  /// opposite order, the parameters' gradients adding up.
  virtual bool sample_wise() const { return false; }
  /// Makes what the kernels of a pass read of the parameters, for many calls. Nothing by default.
  virtual void prepare(const PrepareArgs&) const {}
  /// The memory that `prepare` takes for these inputs, in bytes.
  virtual std::size_t prepared_bytes(Device&, Pass, std::span<const TensorSpec> /*inputs*/) const { return 0; }
  /// The scratch memory that the device will hold for this layer's kernels; by default none that
  /// matters. `training`: backward runs too.
  virtual ScratchBytes kernel_scratch(Device&, std::span<const TensorSpec> /*inputs*/, bool /*training*/) const { return {}; }
  /// Passes every parameter and buffer, always in the same order, to a visitor that may change it;
  /// a visitor that changes a value raises its version.
  virtual void visit(const ParameterVisitor&) {}
  /// The same, read only.
  void look(const ParameterLook& visitor) const {
    const_cast<Layer*>(this)->visit([&visitor](const Parameter& parameter) { visitor(parameter); });
  }

  /// Calls body(backend) with the context's backend: a kernel that any of the backends lacks is a
  /// compile or link error.
  template <class Body>
  static void on_device(Context& context, Body&& body) {
    on(context.device, std::forward<Body>(body));
  }
  /// Calls body(cpu), for a layer that no other device computes. Throws UsageError that names the
  /// layer's type on such a device.
  template <class Body>
  void on_cpu(Context& context, Body&& body) const {
    Cpu* cpu = std::get_if<Cpu>(&context.device);
    require(cpu != nullptr, "[{}] this layer has kernels for the CPU alone but got {}; take .device cpu.", type(),
            description_of(context.device));
    std::forward<Body>(body)(*cpu);
  }

 protected:
  /// Makes a parameter, for activations of `dtype`.
  static void create(Parameter& parameter, std::string_view name, Shape shape, DType dtype, const ParameterOptions& options) {
    parameter.name = name;
    parameter.value = Tensor::zeros(shape, exact_dtype(dtype));
    parameter.filler = options.filler;
    parameter.lr_mult = options.lr_mult;
    parameter.decay_mult = options.decay_mult;
  }
  /// Throws UsageError unless a parameter has the shape that these inputs need.
  void expect_shape(const Parameter& parameter, const Shape& shape) const {
    require(parameter.value.defined(), "[{}] build was not called, so there is no {}; add the layer to a net.", type(),
            parameter.name.empty() ? "parameter" : parameter.name);
    require(parameter.value.shape() == shape, "[{}] the {} is {} but this input needs {}; build a new net for it.", type(), parameter.name,
            parameter.value.shape(), shape);
  }
  /// The input count and rank that most layers start by checking.
  void expect_inputs(std::span<const TensorSpec> inputs, std::size_t count) const {
    require(inputs.size() == count, "[{}] expected {} input(s) but got {}.", type(), count, inputs.size());
  }
  void expect_rank(const TensorSpec& input, int rank, std::string_view dimensions) const {
    require(input.shape.rank() == rank, "[{}] expected an input {} but got {}.", type(), dimensions, input.shape);
  }
  /// One label for each sample.
  void expect_labels(const TensorSpec& labels, std::int64_t samples) const {
    require(labels.dtype == DType::i64 && labels.shape.count() == samples, "[{}] expected labels i64 ({}) but got {} {}.", type(), samples,
            name_of(labels.dtype), labels.shape);
  }
};

}  // namespace amnet
