// Where every tensor of a plan lies. Moments: operation i runs forward at i and backward at 2S - i,
// S being the number of operations.
//
// Groups of samples turn the first operations into loops: the operations that run on groups of g or
// fewer are run once for every g samples, from the first operation on. A tensor that is written and
// read within one such round needs room for g samples only, and tensors with rooms for the same g
// share memory by their operations, as if there were one round. A tensor that outlives the round in
// which it is written (it has room for more samples than its writer's group) is alive in all of the
// loop's operations.
#include "memory_plan.h"
#include "planning.h"

#include <algorithm>
#include <numeric>

namespace amnet {
namespace {

class Planner {
 public:
  Planner(const Graph& graph, const PlanRequest& request, const Demand& demand, const PlanShapes& shapes,
          const std::vector<PlannedOperation>& operations)
      : graph_(graph), request_(request), demand_(demand), shapes_(shapes), operations_(operations), uses_(graph.values.size()) {
    layout_.values.resize(graph.values.size());
    layout_.gradients.resize(graph.values.size());
    layout_.operations.resize(operations.size());
  }

  Layout run() {
    find_uses();
    find_overwritten();
    place_values();
    share_gradients();
    place_operation_tensors();
    hand_out();
    return std::move(layout_);
  }

 private:
  /// Which operations and moments use a value.
  struct Use {
    int maker = -1;            // operation
    int last_read = -1;        // moment
    int first_gradient = -1;   // moment of the backward pass that writes the gradient first, or -1
    std::int64_t samples = 0;  // the largest group of an operation that uses it
    bool used = false;
    bool overwritten = false;  // by its own gradient
  };

  bool trains() const { return request_.loss >= 0; }
  int count() const { return static_cast<int>(operations_.size()); }
  int end() const { return 2 * count() + 1; }
  int backward_moment(int operation) const { return 2 * count() - operation; }
  std::int64_t group(int operation) const { return operations_[static_cast<std::size_t>(operation)].group; }
  Use& use(int value) { return uses_[static_cast<std::size_t>(value)]; }

  /// When a tensor with room for `samples`, written by `operation` on its way forward, becomes
  /// live.
  int alive_from(int operation, std::int64_t samples) const { return group(operation) < samples ? 0 : operation; }
  /// When one that the operation's backward pass reads last is no longer needed.
  int alive_to(int operation, std::int64_t samples) const { return group(operation) < samples ? end() - 1 : backward_moment(operation); }

  void find_uses() {
    for (int i = 0; i < count(); ++i) {
      const PlannedOperation& operation = operations_[static_cast<std::size_t>(i)];
      const BackwardNeeds needs = operation.layer->needs();
      const auto touch = [&](int value, bool read_backward) {
        Use& by = use(value);
        by.used = true;
        by.samples = std::max(by.samples, operation.group);
        by.last_read = std::max(by.last_read, i);
        if (!operation.backward || !read_backward) return;
        by.samples = request_.batch;
        by.last_read = std::max(by.last_read, alive_to(i, request_.batch));
      };
      for (const int input : operation.inputs) {
        touch(input, needs.inputs);
        // Later operations run backward earlier: the last reader writes the gradient first.
        if (operation.backward) use(input).first_gradient = backward_moment(i);
      }
      for (const int output : operation.outputs) {
        touch(output, needs.outputs);
        use(output).maker = i;
      }
    }
    for (std::size_t v = 0; v < uses_.size(); ++v) {
      if (demand_.readable[v]) uses_[v].samples = request_.batch;
    }
  }

  // A gradient takes the place of its value where one backward pass is the last to read the value
  // and the first to write the gradient.
  void find_overwritten() {
    for (int i = 0; i < count() && trains(); ++i) {
      const PlannedOperation& operation = operations_[static_cast<std::size_t>(i)];
      const int which = operation.layer->needs().overwrites;
      if (!operation.backward || which < 0 || operation.group < request_.batch) continue;
      const int input = operation.inputs[static_cast<std::size_t>(which)];
      Use& by = use(input);
      const auto v = static_cast<std::size_t>(input);
      by.overwritten = demand_.gradient[v] && !demand_.readable[v] && by.maker >= 0 && by.last_read == backward_moment(i) &&
                       by.first_gradient == backward_moment(i) && std::ranges::count(operation.inputs, input) == 1;
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
      if (by.maker < 0) continue;  // kept, but inside of an operation: make_operations leaves none
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
      for (const PlannedOperation& operation : operations_) {
        if (operation.backward && std::ranges::count(operation.inputs, static_cast<int>(v)) > 0) {
          gradient.samples = std::max(gradient.samples, operation.group);
        }
      }
      gradient_requests_[v] = static_cast<int>(requests_.size());
      want(spec, gradient, is_loss ? count() : by.first_gradient, alive_to(by.maker, gradient.samples));
    }
  }

  // Where an operation passes its output's gradient on, one tensor is used for both: it is live
  // until the last of its values has been made.
  void share_gradients() {
    shares_.resize(uses_.size());
    std::iota(shares_.begin(), shares_.end(), std::size_t{0});
    for (int i = count(); i-- > 0;) {
      const PlannedOperation& operation = operations_[static_cast<std::size_t>(i)];
      const int passes = operation.layer->needs().passes_gradient_to;
      if (!operation.backward || passes < 0) continue;
      const auto from = static_cast<std::size_t>(operation.outputs[0]),
                 to = static_cast<std::size_t>(operation.inputs[static_cast<std::size_t>(passes)]);
      const bool first_writer =
          uses_[to].first_gradient == backward_moment(i) && std::ranges::count(operation.inputs, static_cast<int>(to)) == 1;
      if (!first_writer || gradient_requests_[from] < 0 || gradient_requests_[to] < 0) continue;
      shares_[to] = shares_[from];
      Lifetime& shared = lifetimes_[static_cast<std::size_t>(gradient_requests_[shares_[to]])];
      shared.last = std::max(shared.last, alive_to(uses_[to].maker, layout_.gradients[shares_[to]].samples));
      lifetimes_[static_cast<std::size_t>(gradient_requests_[to])].bytes = 0;
    }
  }

  void place_operation_tensors() {
    for (int i = 0; i < count(); ++i) {
      const PlannedOperation& operation = operations_[static_cast<std::size_t>(i)];
      Layout::OfOperation& placed = layout_.operations[static_cast<std::size_t>(i)];
      const bool comes_back = trains() && operation.backward;
      const auto want_all = [&](const std::vector<TensorSpec>& specs, std::int64_t samples, int first, int last,
                                std::vector<PlacedTensor>& targets) {
        targets.assign(specs.size(), {.tensor = {}, .samples = samples});
        for (std::size_t s = 0; s < specs.size(); ++s) want(specs[s], targets[s], first, last);
      };
      placed.for_backward.resize(operation.plan.for_backward.size());
      if (!comes_back) {
        want_all(operation.plan.saved, operation.group, i, i, placed.saved);
        continue;
      }
      const int from = alive_from(i, request_.batch), to = alive_to(i, request_.batch);
      want_all(operation.plan.saved, request_.batch, from, to, placed.saved);
      want_all(operation.plan.for_backward, request_.batch, from, to, placed.for_backward);
      want_all(operation.plan.scratch, operation.group, backward_moment(i), backward_moment(i), placed.scratch);
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
  const std::vector<PlannedOperation>& operations_;
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
               const std::vector<PlannedOperation>& operations) {
  return Planner(graph, request, demand, shapes, operations).run();
}

}  // namespace amnet
