#include <amnet/kernels/replay.h>

#include "profile.h"

#include <exception>
#include <map>
#include <string>
#include <utility>

namespace amnet {
namespace {

using RecordedGraph = Owned<cudaGraph_t, cudaGraphDestroy>;
using RunnableGraph = Owned<cudaGraphExec_t, cudaGraphExecDestroy>;
using Counts = std::map<std::string, std::int64_t>;

/// The counts that are in `after` and not in `before`.
Counts difference(Counts after, const Counts& before) {
  for (const auto& [name, count] : before) after[name] -= count;
  std::erase_if(after, [](const auto& entry) { return entry.second == 0; });
  return after;
}

/// The first time the work is run directly, which chooses algorithms and allocates memory; the
/// second time it is recorded, and from then on repeated.
class CudaReplay final : public Replay {
 public:
  explicit CudaReplay(const Cuda& cuda) : cuda_(cuda) {}
  // before the graph is destroyed
  ~CudaReplay() override { static_cast<void>(cudaStreamSynchronize(cuda_.state().stream)); }
  CudaReplay(const CudaReplay&) = delete;
  CudaReplay& operator=(const CudaReplay&) = delete;

  const std::string& refusal() const override { return refusal_; }

  void run(const std::function<bool()>& work) override {
    CudaState& state = cuda_.state();
    if (!prepared_ || !repeats_ || state.profile != nullptr) {  // kernels are timed one by one
      repeats_ = work() && repeats_ && cuda_.options().graphs;
      prepared_ = true;
      return;
    }
    // A recording holds addresses. The tensors stay in place; the scratch memory moves when a
    // larger size is requested, and may later be smaller again.
    if (graph_ == nullptr || scratch_ != state.scratch_memory.get() || scratch_bytes_ > state.scratch_bytes) {
      record(work);
      if (!refusal_.empty()) {
        repeats_ = false;
        work();
        return;
      }
    }
    check(cudaGraphLaunch(graph_, state.stream), "cudaGraphLaunch");
    for (const auto& [name, count] : counts_) state.counts[name] += count;
  }

 private:
  /// Sets either the graph or the reason for the refusal.
  void record(const std::function<bool()>& work) {
    CudaState& state = cuda_.state();
    if (graph_ != nullptr) {
      cuda_.wait();
      graph_ = {};
    }
    const Counts before = state.counts;
    std::exception_ptr thrown;
    cudaGraph_t ended = nullptr;
    try {
      check(cudaStreamBeginCapture(state.stream, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
      try {
        work();
      } catch (...) {
        thrown = std::current_exception();
      }
      const cudaError_t answer = cudaStreamEndCapture(state.stream, &ended);
      const RecordedGraph recorded(ended);
      if (thrown) std::rethrow_exception(thrown);
      check(answer, "cudaStreamEndCapture");
      cudaGraphExec_t runnable = nullptr;
      check(cudaGraphInstantiate(&runnable, recorded, 0), "cudaGraphInstantiate");
      graph_ = RunnableGraph(runnable);
    } catch (const Error& error) {
      // Nothing has run yet. If the work itself is at fault, its error is thrown again when it is
      // launched.
      refusal_ = error.what();
      static_cast<void>(cudaGetLastError());  // cleared, so that the next launch does not report it
    }
    counts_ = difference(std::exchange(state.counts, before), before);
    scratch_ = state.scratch_memory.get();
    scratch_bytes_ = state.scratch_bytes;
  }

  Cuda cuda_;
  bool prepared_ = false, repeats_ = true;
  std::string refusal_;
  RunnableGraph graph_;
  Counts counts_;                       // of one repetition
  const std::byte* scratch_ = nullptr;  // at the time of recording
  std::size_t scratch_bytes_ = 0;
};

}  // namespace

std::unique_ptr<Replay> make_replay(Cuda& cuda) { return std::make_unique<CudaReplay>(cuda); }

}  // namespace amnet
