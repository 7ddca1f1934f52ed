// Where every tensor of a plan lies. Moments: step i runs forward at i and backward at 2S - i, S being the number of steps.
//
// Groups of samples turn the first steps into loops: the steps that run on groups of g or fewer are gone through once for every g
// samples, from the first step on. A tensor that is written and read within one such round needs room for g samples only, and tensors
// with rooms for the same g share memory by their steps, as if there were one round. A tensor that outlives the round in
// which it is written (it has room for more samples than its writer's group) is alive in all of the loop's steps.
#include "planning.h"

#include <amnet/net/memory_plan.h>

#include <algorithm>
#include <numeric>

namespace amnet {
namespace {

class Planner {
 public:
  Planner(const Graph& graph, const PlanRequest& request, const Demand& demand, const PlanShapes& shapes,
          const std::vector<PlannedStep>& steps)
      : graph_(graph), request_(request), demand_(demand), shapes_(shapes), steps_(steps), uses_(graph.values.size()) {
    layout_.values.resize(graph.values.size());
    layout_.gradients.resize(graph.values.size());
    layout_.steps.resize(steps.size());
  }

  Layout run() {
    find_uses();
    find_overwritten();
    place_values();
    share_gradients();
    place_step_tensors();
    hand_out();
    return std::move(layout_);
  }

 private:
  /// Who touches a value, by steps and moments.
  struct Use {
    int maker = -1;            // step
    int last_read = -1;        // moment
    int first_gradient = -1;   // moment of the backward pass that writes the gradient first, or -1
    std::int64_t samples = 0;  // the largest group of a step that touches it
    bool used = false;
    bool overwritten = false;  // by its own gradient
  };

  bool trains() const { return request_.loss >= 0; }
  int count() const { return static_cast<int>(steps_.size()); }
  int end() const { return 2 * count() + 1; }
  int backward_moment(int step) const { return 2 * count() - step; }
  std::int64_t group(int step) const { return steps_[static_cast<std::size_t>(step)].group; }
  Use& use(int value) { return uses_[static_cast<std::size_t>(value)]; }

  /// When a tensor with room for `samples`, written by `step` on its way forward, comes to life.
  int alive_from(int step, std::int64_t samples) const { return group(step) < samples ? 0 : step; }
  /// When one that the step's backward pass reads last may be forgotten.
  int alive_to(int step, std::int64_t samples) const { return group(step) < samples ? end() - 1 : backward_moment(step); }

  void find_uses() {
    for (int i = 0; i < count(); ++i) {
      const PlannedStep& step = steps_[static_cast<std::size_t>(i)];
      const BackwardNeeds needs = step.layer->needs();
      const auto touch = [&](int value, bool read_backward) {
        Use& by = use(value);
        by.used = true;
        by.samples = std::max(by.samples, step.group);
        by.last_read = std::max(by.last_read, i);
        if (!step.backward || !read_backward) return;
        by.samples = request_.batch;
        by.last_read = std::max(by.last_read, alive_to(i, request_.batch));
      };
      for (const int input : step.inputs) {
        touch(input, needs.inputs);
        // Later steps run backward earlier: the last reader writes the gradient first.
        if (step.backward) use(input).first_gradient = backward_moment(i);
      }
      for (const int output : step.outputs) {
        touch(output, needs.outputs);
        use(output).maker = i;
      }
    }
    for (std::size_t v = 0; v < uses_.size(); ++v) {
      if (demand_.readable[v]) uses_[v].samples = request_.batch;
    }
  }

  // A gradient takes the place of its value where one backward pass is the last to read the value and the first to write the gradient.
  void find_overwritten() {
    for (int i = 0; i < count() && trains(); ++i) {
      const PlannedStep& step = steps_[static_cast<std::size_t>(i)];
      const int which = step.layer->needs().overwrites;
      if (!step.backward || which < 0 || step.group < request_.batch) continue;
      const int input = step.inputs[static_cast<std::size_t>(which)];
      Use& by = use(input);
      const auto v = static_cast<std::size_t>(input);
      by.overwritten = demand_.gradient[v] && !demand_.readable[v] && by.maker >= 0 && by.last_read == backward_moment(i) &&
                       by.first_gradient == backward_moment(i) && std::ranges::count(step.inputs, input) == 1;
    }
  }

  void place_values() {
    gradient_requests_.assign(uses_.size(), -1);
    for (std::size_t v = 0; v < uses_.size(); ++v) {
      const Use& by = uses_[v];
      const TensorSpec& spec = shapes_.values[v];
      if (!by.used && !demand_.readable[v]) continue;
      PlacedTensor& placed = layout_.values[v];
      placed.samples = by.samples;
      if (graph_.values[v].producer < 0) {  // the caller fills inputs before anything runs
        want(spec, placed, -1, end());
        continue;
      }
      if (by.maker < 0) continue;  // kept, but inside of a step: make_steps leaves none
      const int from = alive_from(by.maker, by.samples);
      if (by.overwritten) {
        want(spec, placed, from, alive_to(by.maker, by.samples));
        continue;
      }
      want(spec, placed, from, demand_.readable[v] ? end() : by.last_read);
      const bool is_loss = static_cast<int>(v) == request_.loss;
      if (!trains() || !demand_.gradient[v] || (!is_loss && by.first_gradient < 0)) continue;
      PlacedTensor& gradient = layout_.gradients[v];
      gradient.samples = group(by.maker);
      for (const PlannedStep& step : steps_) {
        if (step.backward && std::ranges::count(step.inputs, static_cast<int>(v)) > 0) {
          gradient.samples = std::max(gradient.samples, step.group);
        }
      }
      gradient_requests_[v] = static_cast<int>(requests_.size());
      want(spec, gradient, is_loss ? count() : by.first_gradient, alive_to(by.maker, gradient.samples));
    }
  }

  // Where a step passes its output's gradient on, one tensor serves both: it lives on until the last of its values has been made.
  void share_gradients() {
    shares_.resize(uses_.size());
    std::iota(shares_.begin(), shares_.end(), std::size_t{0});
    for (int i = count(); i-- > 0;) {
      const PlannedStep& step = steps_[static_cast<std::size_t>(i)];
      const int passes = step.layer->needs().passes_gradient_to;
      if (!step.backward || passes < 0) continue;
      const auto from = static_cast<std::size_t>(step.outputs[0]),
                 to = static_cast<std::size_t>(step.inputs[static_cast<std::size_t>(passes)]);
      const bool first_writer =
          uses_[to].first_gradient == backward_moment(i) && std::ranges::count(step.inputs, static_cast<int>(to)) == 1;
      if (!first_writer || gradient_requests_[from] < 0 || gradient_requests_[to] < 0) continue;
      shares_[to] = shares_[from];
      Lifetime& shared = lifetimes_[static_cast<std::size_t>(gradient_requests_[shares_[to]])];
      shared.last = std::max(shared.last, alive_to(uses_[to].maker, layout_.gradients[shares_[to]].samples));
      lifetimes_[static_cast<std::size_t>(gradient_requests_[to])].bytes = 0;
    }
  }

  void place_step_tensors() {
    for (int i = 0; i < count(); ++i) {
      const PlannedStep& step = steps_[static_cast<std::size_t>(i)];
      Layout::OfStep& placed = layout_.steps[static_cast<std::size_t>(i)];
      const bool comes_back = trains() && step.backward;
      const auto want_all = [&](const std::vector<TensorSpec>& specs, std::int64_t samples, int first, int last,
                                std::vector<PlacedTensor>& targets) {
        targets.assign(specs.size(), {.tensor = {}, .samples = samples});
        for (std::size_t s = 0; s < specs.size(); ++s) want(specs[s], targets[s], first, last);
      };
      placed.for_backward.resize(step.plan.for_backward.size());
      if (!comes_back) {
        want_all(step.plan.saved, step.group, i, i, placed.saved);
        continue;
      }
      const int from = alive_from(i, request_.batch), to = alive_to(i, request_.batch);
      want_all(step.plan.saved, request_.batch, from, to, placed.saved);
      want_all(step.plan.for_backward, request_.batch, from, to, placed.for_backward);
      want_all(step.plan.scratch, step.group, backward_moment(i), backward_moment(i), placed.scratch);
    }
  }

  void want(const TensorSpec& spec, PlacedTensor& target, int first, int last) {
    TensorSpec room = spec;
    target.per_sample = spec.per_sample;
    if (spec.per_sample && target.samples < request_.batch) room.shape = room.shape.with(0, target.samples);
    lifetimes_.push_back({static_cast<std::size_t>(room.shape.count()) * size_of(room.dtype), first, last});
    requests_.push_back({room, &target});
  }

  void hand_out() {
    const MemoryPlan plan = plan_memory(lifetimes_);
    layout_.bytes = plan.bytes;
    if (request_.only_measured) return;
    const std::shared_ptr<std::byte> block = allocate(graph_.memory, plan.bytes);
    for (std::size_t r = 0; r < requests_.size(); ++r) {
      const std::shared_ptr<std::byte> bytes(block, block.get() + plan.offsets[r]);
      requests_[r].target->tensor = Tensor(requests_[r].spec.shape, requests_[r].spec.dtype, bytes, graph_.memory);
    }
    for (std::size_t v = 0; v < uses_.size(); ++v) {
      if (uses_[v].overwritten) layout_.gradients[v] = layout_.values[v];
      if (shares_[v] != v) layout_.gradients[v] = layout_.gradients[shares_[v]];
    }
  }

  struct Request {
    TensorSpec spec;
    PlacedTensor* target;
  };

  const Graph& graph_;
  const PlanRequest& request_;
  const Demand& demand_;
  const PlanShapes& shapes_;
  const std::vector<PlannedStep>& steps_;
  std::vector<Use> uses_;               // of each value
  std::vector<std::size_t> shares_;     // of each value: whose gradient is its own
  std::vector<int> gradient_requests_;  // of each value, or -1
  std::vector<Lifetime> lifetimes_;     // of each request
  std::vector<Request> requests_;
  Layout layout_;
};

}  // namespace

Tensor PlacedTensor::of(const ScheduledRun& run) const {
  if (!tensor.defined() || !per_sample) return tensor;
  const std::int64_t begin = run.begin % samples, end = begin + run.end - run.begin;
  return begin == 0 && end == tensor.extent(0) ? tensor : tensor.slice(begin, end);
}

Layout lay_out(const Graph& graph, const PlanRequest& request, const Demand& demand, const PlanShapes& shapes,
               const std::vector<PlannedStep>& steps) {
  return Planner(graph, request, demand, shapes, steps).run();
}

}  // namespace amnet
