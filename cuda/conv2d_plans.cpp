#include "conv2d_plans.h"

#include "choice_file.h"
#include "state.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <limits>

namespace amnet {
namespace {

// An engine that compiles its kernels needs seconds for it, in every process that uses the engine.
constexpr int most_precompiled = 6, most_compiled = 2;

/// The key of the operation on this machine, in the file of choices.
std::string key_on_this_machine(const CudaState& state, const std::string& operation) {
  int driver = 0;
  check(cudaDriverGetVersion(&driver), "cudaDriverGetVersion");
  std::string key = fmt::format("{}; cuDNN {}; driver {}; {}", state.name, cudnnGetVersion(), driver, operation);
  std::ranges::replace_if(
      key, [](char c) { return c == '\t' || c == '\n'; }, ' ');
  return key;
}

std::string text_of(const ConvolutionChoice& choice) { return fmt::format("{} {}", choice.graph.text(), choice.engine); }

ConvolutionChoice choice_of(const ConvolutionGraph& operation, const ConvolutionGraph& way, const dnn::Engine& engine, dnn::Plan plan) {
  std::string name = fmt::format("{}: cudnn engine {}", describe(operation), engine.index);
  if (way.has_epilogue()) name += ", fused";
  if (way.x != operation.x) name += fmt::format(", {} channels", way.x[3]);
  return {.graph = way, .plan = std::move(plan), .engine = engine.name, .name = std::move(name)};
}

/// The candidates that can carry out an operation.
class Search {
 public:
  Search(const CudaState& state, const ConvolutionGraph& operation, std::size_t workspace_limit)
      : target_(state.dnn), operation_(operation), deterministic_(state.options.deterministic), limit_(workspace_limit) {}

  /// The candidates of one graph: up to `precompiled` of one kind and `compiled` of the other, or
  /// the one whose engine has the name.
  std::vector<ConvolutionChoice> candidates(const ConvolutionGraph& way, int precompiled, int compiled, std::string_view name = {}) {
    std::vector<ConvolutionChoice> found;
    const std::optional<dnn::Descriptor> graph = build(way, target_, why_);
    if (!graph) return found;
    const std::vector<dnn::Engine> engines = dnn::engines(*graph, target_);
    if (engines.empty()) why_ = "the heuristics name no engine";
    for (const dnn::Engine& engine : engines) {
      if (!allowed(engine, way, false) || (!name.empty() && engine.name != name)) continue;
      if (deterministic_ && !engine.deterministic) {
        saw_others_ = true;
        continue;
      }
      int& left = engine.compiles ? compiled : precompiled;
      if (left == 0) continue;
      std::optional<dnn::Plan> plan = dnn::make_plan(engine, target_, why_);
      if (!plan) continue;
      if (plan->workspace_bytes > limit_) {
        why_ = fmt::format("a workspace of {} bytes is more than the limit of {}", plan->workspace_bytes, limit_);
        continue;
      }
      --left;
      found.push_back(choice_of(operation_, way, engine, std::move(*plan)));
    }
    return found;
  }

  std::vector<ConvolutionChoice> all() {
    std::vector<ConvolutionChoice> found;
    for (const ConvolutionGraph& way : ways_of(operation_))
      std::ranges::move(candidates(way, most_precompiled, most_compiled), std::back_inserter(found));
    if (found.empty()) fail();
    return found;
  }

  /// The candidate that a file names, if it is still available.
  std::optional<ConvolutionChoice> known(std::string_view text) {
    for (const ConvolutionGraph& way : ways_of(operation_)) {
      const std::string graph = way.text() + " ";
      if (!text.starts_with(graph)) continue;
      std::vector<ConvolutionChoice> found = candidates(way, 1, 1, text.substr(graph.size()));
      if (!found.empty()) return std::move(found.front());
    }
    return {};
  }

 private:
  [[noreturn]] void fail() const {
    require(!saw_others_,
            "[conv2d] expected a deterministic engine for {} but cuDNN has none for this GPU; train without the wish for the same bits in "
            "every run.",
            describe(operation_));
    throw DeviceError(fmt::format("[conv2d] cuDNN has no engine for {}: it says \"{}\".", describe(operation_), why_));
  }

  dnn::Target target_;
  const ConvolutionGraph& operation_;
  bool deterministic_;
  std::size_t limit_;
  std::string why_;
  bool saw_others_ = false;
};

/// Seconds of one run; an earlier run may already have loaded kernels.
double time(Cuda& cuda, const std::function<void()>& run) {
  const auto seconds_of = [&](int runs) {
    cuda.wait();
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < runs; ++i) run();
    cuda.wait();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / runs;
  };
  const double once = seconds_of(1);
  return seconds_of(std::clamp(static_cast<int>(5e-3 / std::max(once, 1e-6)), 1, 20));
}

using RunChoice = std::function<void(const ConvolutionChoice&)>;

/// Runs it once. Throws WrongSums where its result is wrong.
void prove(ConvolutionChoice& candidate, const RunChoice& run) {
  run(candidate);
  candidate.proven = true;
}
bool holds(ConvolutionChoice& candidate, const RunChoice& run) {
  try {
    prove(candidate, run);
    return true;
  } catch (const WrongSums&) {
    return false;
  }
}

ConvolutionChoice fastest(Cuda& cuda, std::vector<ConvolutionChoice> candidates, const RunChoice& run) {
  ConvolutionChoice* best = nullptr;
  double least = std::numeric_limits<double>::infinity();
  std::string why;
  std::exception_ptr no_memory;
  for (ConvolutionChoice& candidate : candidates) {
    try {
      prove(candidate, run);
      const double seconds = candidates.size() == 1 ? 0 : time(cuda, [&] { run(candidate); });
      if (seconds < least) least = seconds, best = &candidate;
    } catch (const DeviceMemoryError&) {
      no_memory = std::current_exception();  // an engine that needs less may follow
    } catch (const Error& error) {
      why = error.what();  // the engine failed or its result is wrong
    }
  }
  if (best == nullptr && no_memory) std::rethrow_exception(no_memory);
  require<DeviceError>(best != nullptr, "[conv2d] every engine of cuDNN failed; of the last it was said: {}", why);
  return std::move(*best);
}

std::string name_in_process(const CudaState& state, const ConvolutionGraph& operation) {
  return operation.text() + (state.options.deterministic ? "-deterministic" : "");
}

}  // namespace

const ConvolutionChoice& ConvolutionPlans::choose(Cuda& cuda, const ConvolutionGraph& operation, const RunChoice& run) {
  const CudaState& state = cuda.state();
  const std::string name = name_in_process(state, operation);
  if (const auto found = choices_.find(name); found != choices_.end()) return found->second;

  Search search(state, operation, workspace_limit);
  if (chooser) {
    std::vector<ConvolutionChoice> candidates = search.all();
    while (!candidates.empty()) {
      const auto chosen = candidates.begin() + static_cast<std::ptrdiff_t>(chooser(candidates));
      if (holds(*chosen, run)) return choices_.emplace(name, std::move(*chosen)).first->second;
      candidates.erase(chosen);
    }
    // fastest() states why no candidate is right
    return choices_.emplace(name, fastest(cuda, search.all(), run)).first->second;
  }
  const std::string key = key_on_this_machine(state, name);
  const std::filesystem::path path = choices_path();
  Choices kept = read_choices(path);
  std::optional<ConvolutionChoice> choice;
  if (const auto found = kept.find(key); found != kept.end()) choice = search.known(found->second);
  if (!choice || !holds(*choice, run)) {
    choice = fastest(cuda, search.all(), run);
    if (!path.empty()) {
      kept = read_choices(path);  // another process may have written during the measurement
      kept[key] = text_of(*choice);
      write_choices(path, kept);
    }
  }
  return choices_.emplace(name, std::move(*choice)).first->second;
}

std::size_t ConvolutionPlans::workspace_bytes(CudaState& state, const ConvolutionGraph& operation) {
  const std::string name = name_in_process(state, operation);
  if (const auto found = choices_.find(name); found != choices_.end()) return found->second.plan.workspace_bytes;
  const auto [forecast, is_new] = forecasts_.emplace(name, 0);
  if (is_new) {
    Search search(state, operation, workspace_limit);
    for (const ConvolutionGraph& way : ways_of(operation)) {
      const std::vector<ConvolutionChoice> first = search.candidates(way, 1, 0);
      if (!first.empty()) forecast->second = std::max(forecast->second, first.front().plan.workspace_bytes);
    }
  }
  return forecast->second;
}

}  // namespace amnet
