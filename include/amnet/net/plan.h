// A plan of a net: the memory of an inference or of a training step of up to so many samples, and
// the work that uses it. Any number of plans of one net can exist at once: for training and
// verification, for every size of an image pyramid. They share the net's parameters and own all
// else.
//
//   Plan plan(net, {.batch = 32, .keep = {embedding}});
//   plan.value(images).copy_from(batch);
//   plan.forward(device);                            // then read plan.value(embedding)
//
//   Plan training(net, {.batch = 32, .loss = loss});
//   training.value(images).copy_from(batch);
//   training.value(labels).copy_from(batch_labels);
//   training.forward(device, {.step = step});
//   training.backward(device);                       // then read training.gradient(parameter)
#pragma once

#include <amnet/net/net.h>

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <vector>

namespace amnet {

struct InputShape {
  Value input;
  Shape shape;  ///< its first extent is a placeholder
  friend bool operator==(const InputShape&, const InputShape&) = default;
};

struct PlanOptions {
  std::int64_t batch = 1;  ///< the most samples of a run; algorithms are chosen for this number
  Value loss = {};         ///< to train: a value of one element; none plans an inference
  /// What may be read after a run, besides inputs and loss; only layers that these depend on run.
  /// Name only what is read: a kept value shares its memory with no other.
  std::vector<Value> keep = {};
  std::vector<InputShape> inputs = {};  ///< inputs of another size than the net was built with
  /// Inference: keeps what kernels prepare from the parameters from run to run, and prepares it
  /// again when a parameter has changed. Otherwise most of it is prepared in every run. Training
  /// prepares it in every step.
  bool keep_prepared = true;

  friend bool operator==(const PlanOptions&, const PlanOptions&) = default;
};

struct RunOptions {
  Step step = {};            ///< what dropout and annealed margins see
  std::int64_t samples = 0;  ///< runs the first so many of the batch; 0: all
  /// another than the plan's own, which is train where it has a loss and test elsewhere
  std::optional<Phase> phase = {};
};

struct BackwardOptions {
  Write parameters = Write::assign;  ///< assign for a step's first micro-batch, add for later ones
  /// no further micro-batch of the step follows: gradients are done when they are written
  bool last = true;
};

/// What runs as one unit: the names of its layers, and the number of samples that it processes
/// together.
struct PlanOperation {
  std::vector<std::string> layers;
  std::int64_t samples;
};

/// The memory that a plan takes, in bytes.
struct PlanBytes {
  std::size_t values = 0;  ///< activations, their gradients and saved state
  /// what the device and the plan hold for the kernels: scratch, and what is prepared
  std::size_t kernels = 0;
};

struct NetPlan;
struct PlannedRun;

class Plan {
 public:
  /// Lays out the memory, where the net's parameters are, and takes it. The plan is valid for the
  /// net as it is now, and keeps it alive. Throws UsageError for a batch below 1, a loss of more
  /// than one element, or a shape that a layer refuses; MemoryError.
  Plan(const Net& net, PlanOptions options);
  ~Plan();
  Plan(Plan&&) noexcept;
  Plan& operator=(Plan&&) noexcept;

  /// What such a plan would take on `device`, without taking it.
  static PlanBytes measure(const Net& net, Device& device, const PlanOptions& options);

  const PlanOptions& options() const { return options_; }
  bool trains() const { return options_.loss.index >= 0; }
  /// What this plan takes; the kernels' part on `device`.
  std::size_t bytes() const;
  std::size_t kernel_bytes(Device& device) const;
  /// What runs, in order. Where `samples` is less than the batch, this many go through all
  /// operations up to here before the next samples do: their results are then still in the cache.
  std::vector<PlanOperation> operations() const;

  // --- running --------------------------------------------------------------------------------------------

  /// The tensor of a value, with room for the whole batch; where fewer samples ran, the rows after
  /// them are undefined. An input is read by the next forward, which may be for fewer samples too.
  /// Throws UsageError for a value that is not kept.
  const Tensor& value(Value value) const;
  /// That of an input or of a layer, by its name.
  const Tensor& value(std::string_view name) const;
  /// Runs the layers. Other inferences of the net may run meanwhile, each on a Device of its own; a
  /// run that trains (or draws batch statistics) waits until it is alone. On GPUs that orders the
  /// launches and not the work: between two Cuda devices of one net, wait() for the one that wrote
  /// parameters or prepared them before the other reads. Throws UsageError where the device
  /// computes in another memory, or for more samples than planned; errors of a layer name it.
  void forward(Device& device, const RunOptions& options = {});
  /// After each forward of a plan that trains, once, for the same samples, step and phase: it
  /// overwrites what forward left.
  void backward(Device& device, const BackwardOptions& options = {});
  /// Whether the last run would launch exactly the same work the next time: no layer has read the
  /// number of the step (kernels/replay.h). A recording of an inference reads what was prepared
  /// when it was made: it is valid until a parameter changes.
  bool repeats() const { return !step_.number_was_asked(); }
  /// Informs the net that its parameters were written by work that no plan ran, such as a recording
  /// that was repeated. A run in Phase::train informs it by itself.
  void parameters_changed();
  /// Runs forward layer by layer and names the first input, parameter or output that is not finite;
  /// empty when all are.
  std::string first_non_finite(Device& device, const RunOptions& options = {});

  // --- gradients, of a plan that trains -------------------------------------------------------------------

  /// The gradient of a parameter of the net; undefined for one that is frozen, or that the loss
  /// does not depend on.
  const Tensor& gradient(const Parameter& parameter) const;
  /// All of them, one after the other in the order in which backward finishes them: (elements),
  /// with gaps so that each is aligned.
  const Tensor& gradients() const;
  /// Passes every parameter that has a gradient, in the order of the net, to a visitor that may
  /// change it.
  void visit(const std::function<void(const std::string& name, Parameter& parameter, const Tensor& gradient)>& visitor);
  /// Sets a function that is called for each layer's part of gradients() as soon as it is done, in
  /// bytes and in order, in a step's last backward: a sum over processes can begin while backward
  /// continues. On a GPU it is called when the work is launched, also within a recording: it may
  /// enqueue work and must not wait. A recording that exists already does not include it: set it
  /// before the first step.
  void on_gradients(std::function<void(std::size_t begin, std::size_t end)> hook);
  /// Prevents all plans of the net from running, in any thread, while parameters are written.
  std::unique_lock<std::shared_mutex> alone();

 private:
  void require_here(const Device& device) const;
  Phase phase_of(const RunOptions& options) const;
  std::int64_t samples_of(const RunOptions& options) const;
  Context begin(Device& device, const RunOptions& options);
  const std::vector<PlannedRun>& runs_for(std::int64_t samples);
  void prepare_kept(Context& context);
  void forward_run(Context& context, const PlannedRun& run);

  PlanOptions options_;
  std::shared_ptr<Graph> graph_;
  std::unique_ptr<NetPlan> plan_;
  StepView step_;
  Phase phase_ = Phase::test;
  std::int64_t samples_ = 0;  // of the last forward
  std::function<void(std::size_t begin, std::size_t end)> on_gradients_;
};

}  // namespace amnet
