// What a plan runs: made by make_plan from the graph and a request. Planning goes through five
// files, in this order, and leaves the graph as it is:
//
//   demand.cpp      which layers run, forward and backward, and which values get a gradient
//   shapes.cpp      what every layer that runs asks for
//   operations.cpp  which layers run as one, and on how many samples at a time
//   layout.cpp      where every tensor lies in one block of memory
//   planning.cpp    the gradients of parameters, and the runs, with their arguments ready
#pragma once

#include "graph.h"

#include <map>

namespace amnet {

struct PlanRequest {
  std::int64_t batch = 1;
  int loss = -1;                     // or -1: inference
  std::vector<int> keep = {};        // values that are read afterwards
  std::map<int, Shape> inputs = {};  // those that have another size than the graph's
  // its bytes are counted, no memory is taken: a plan without runs
  bool only_measured = false;
  bool keep_prepared = false;

  bool trains() const { return loss >= 0; }
};

struct Demand {
  std::vector<char> forward, backward;  // of each node
  std::vector<char> gradient;           // of each value: wanted
  std::vector<char> readable;           // of each value: inputs, kept ones and the loss
};
Demand find_demand(const Graph& graph, const PlanRequest& request);

struct PlanShapes {
  // of each value, with the batch; of those that are not planned as they were built
  std::vector<TensorSpec> values;
  std::vector<LayerPlan> nodes;  // of each node that runs

  const TensorSpec& value(int index) const { return values[static_cast<std::size_t>(index)]; }
  std::vector<TensorSpec> of(const std::vector<int>& some) const;
};
/// Throws UsageError for a shape that a layer refuses, or for a shape that does not have the batch
/// as its first extent although the layer says so.
PlanShapes find_shapes(const Graph& graph, const PlanRequest& request, const Demand& demand);

/// One layer, or several that run as one (layers/fusion.h): values between those exist only in
/// registers.
struct PlannedOperation {
  std::vector<int> nodes;
  std::unique_ptr<Layer> fused = {};  // of several nodes
  Layer* layer = nullptr;
  std::vector<int> inputs = {};
  std::vector<int> outputs = {};
  std::vector<TensorSpec> input_specs = {};
  LayerPlan plan = {};
  bool backward = false;
  std::int64_t group = 0;  // samples that go through at a time; the batch: all
};
/// Operations in the order of their layers. Groups never shrink from one operation to the next, and
/// are powers of two or the batch.
std::vector<PlannedOperation> make_operations(const Graph& graph, const PlanRequest& request, const Demand& demand, PlanShapes& shapes);

/// One operation on the samples [begin, end).
struct ScheduledRun {
  int operation;
  std::int64_t begin, end;
  bool first, last;  // of its operation, in the order of the forward pass
};
/// The forward pass of the first so many samples, depth first: before a group runs through an
/// operation, it has gone through all earlier ones. Backward is the reverse.
std::vector<ScheduledRun> make_schedule(const std::vector<PlannedOperation>& operations, std::int64_t samples);

/// The tensors of a plan. One per sample with room for fewer `samples` than the batch is used again
/// by each group of so many.
struct PlacedTensor {
  Tensor tensor = {};
  std::int64_t samples = 0;
  bool per_sample = true;

  /// The part of it that a run uses.
  Tensor of(const ScheduledRun& run) const;
};
struct Layout {
  struct OfOperation {
    std::vector<PlacedTensor> saved, for_backward, scratch;
  };
  std::vector<PlacedTensor> values, gradients;  // of each value; undefined where there is none
  std::vector<OfOperation> operations;
  std::size_t bytes = 0;
};
Layout lay_out(const Graph& graph, const PlanRequest& request, const Demand& demand, const PlanShapes& shapes,
               const std::vector<PlannedOperation>& operations);

/// A run with its arguments ready to be passed on.
struct PlannedRun {
  ScheduledRun at;
  std::vector<Tensor> inputs = {}, outputs = {}, saved = {}, for_backward = {}, scratch = {};
  std::vector<Tensor> backward_inputs = {}, backward_outputs = {}, output_gradients = {};
  std::vector<Gradient> input_gradients = {};
};

/// How an operation's backward pass writes: one for each input, and for each output whether any
/// operation writes its gradient.
struct OperationWrites {
  std::vector<Write> inputs = {};
  std::vector<char> outputs = {};
};

struct KernelSettings {
  ConvolutionAlgorithm convolution = ConvolutionAlgorithm::automatic;
  ProductPrecision precision = ProductPrecision::f32;
  friend bool operator==(const KernelSettings&, const KernelSettings&) = default;
};

struct NetPlan {
  std::int64_t batch = 0;
  std::vector<PlannedOperation> operations = {};
  Layout layout = {};
  std::vector<OperationWrites> writes = {};  // of each operation, where the plan trains
  // of each value; undefined for those that may not be read
  std::vector<Tensor> readable = {};
  Tensor loss_gradient = {};

  struct OfOperation {
    std::vector<ParameterGradient> gradients = {};
    std::size_t begin = 0, end = 0;  // in the buffer of all gradients, in bytes
  };
  std::vector<OfOperation> parameters = {};  // of each operation
  std::map<const Parameter*, Tensor> gradient_of = {};
  Tensor gradients = {};  // one buffer

  std::vector<PlannedRun> runs = {};   // of the whole batch
  std::vector<PlannedRun> fewer = {};  // of the first `fewer_samples`
  std::int64_t fewer_samples = 0;

  // of all parameters together, when the kept forms were prepared; 0: not prepared yet
  std::uint64_t prepared_versions = 0;
  KernelSettings prepared_for = {};

  const PlannedOperation& operation(const PlannedRun& run) const { return operations[static_cast<std::size_t>(run.at.operation)]; }
};

/// Plans, or only measures. Throws UsageError for a shape that a layer refuses.
NetPlan make_plan(const Graph& graph, const PlanRequest& request);
/// The runs of the first so many samples.
std::vector<PlannedRun> make_runs(const NetPlan& plan, std::int64_t samples);

}  // namespace amnet
