// What a net runs: made by make_plan from the graph, the batch and what is wanted of it. Planning goes through four files, in this order:
//
//   demand.cpp    which layers run, forward and backward, and which values get a gradient
//   steps.cpp     which layers run as one, and on how many samples at a time
//   layout.cpp    where every tensor lies in one block of memory
//   plan.cpp      the runs, with their arguments ready
#pragma once

#include "graph.h"

namespace amnet {

struct PlanRequest {
  std::int64_t batch;
  int loss;                    // or -1: inference
  std::vector<int> keep;       // values that are read afterwards
  bool only_measured = false;  // its bytes are counted, no memory is taken: a plan without runs
};

struct Demand {
  std::vector<char> forward, backward;  // of each node
  std::vector<char> gradient;           // of each value: wanted
  std::vector<char> readable;           // of each value: inputs, kept ones and the loss
};
Demand find_demand(Graph& graph, const PlanRequest& request);

/// One layer, or several that run as one (layers/fusion.h): values between those exist only in registers.
struct PlannedStep {
  std::vector<int> nodes;
  std::unique_ptr<Layer> fused = {};  // of several nodes
  Layer* layer = nullptr;
  std::vector<int> inputs = {};
  std::vector<int> outputs = {};
  LayerPlan plan = {};
  bool backward = false;
  std::int64_t group = 0;  // samples that go through at a time; the batch: all
};
/// Steps in the order of their layers. Groups never shrink from one step to the next, and are powers of two or the batch.
std::vector<PlannedStep> make_steps(Graph& graph, const PlanRequest& request, const Demand& demand);

/// One step on the samples [begin, end).
struct ScheduledRun {
  int step;
  std::int64_t begin, end;
  bool first, last;  // of its step, in the order of the forward pass
};
/// The forward pass, depth first: before a group runs through a step, it has gone through all earlier ones. Backward is the reverse.
std::vector<ScheduledRun> make_schedule(const std::vector<PlannedStep>& steps, std::int64_t batch);

/// The tensors of a plan. One with `samples` less than the batch is used again by each group of so many.
struct PlacedTensor {
  Tensor tensor = {};
  std::int64_t samples = 0;

  /// What a run of `step` on the samples from `begin` on sees of it.
  Tensor of(const PlannedStep& step, const ScheduledRun& run, std::int64_t batch) const;
};
struct Layout {
  struct OfStep {
    std::vector<PlacedTensor> saved, for_backward, scratch;
  };
  std::vector<PlacedTensor> values, gradients;  // of each value; undefined where there is none
  std::vector<OfStep> steps;
  std::size_t bytes = 0;
};
Layout lay_out(const Graph& graph, const PlanRequest& request, const Demand& demand, const std::vector<PlannedStep>& steps);

/// A run with its arguments ready to be handed out.
struct PlannedRun {
  ScheduledRun at;
  std::vector<Tensor> inputs = {}, outputs = {}, saved = {}, for_backward = {}, scratch = {};
  std::vector<Tensor> backward_inputs = {}, backward_outputs = {}, output_gradients = {};
  std::vector<Gradient> input_gradients = {};

  ForwardArgs forward_args(Context& context) const { return {context, inputs, outputs, saved, for_backward}; }
};

struct NetPlan {
  int loss = -1;
  std::int64_t batch = 0;
  std::vector<PlannedStep> steps = {};
  std::vector<PlannedRun> runs = {};
  std::vector<Tensor> readable = {};  // of each value; undefined for those that may not be read
  Tensor loss_gradient = {};
  std::size_t bytes = 0;
  bool prepared = false;  // by Net::prepare: the parameters do not change until the next plan

  const PlannedStep& step(const PlannedRun& run) const { return steps[static_cast<std::size_t>(run.at.step)]; }
};

/// Sets the shapes of the graph to the batch, and plans (or only measures). Throws UsageError for a shape that a layer refuses.
NetPlan make_plan(Graph& graph, const PlanRequest& request);

}  // namespace amnet
