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

/// What is in `after` beyond `before`.
Counts difference(Counts after, const Counts& before) {
  for (const auto& [name, count] : before) after[name] -= count;
  std::erase_if(after, [](const auto& entry) { return entry.second == 0; });
  return after;
}

/// The first time the work is done as it is, which chooses algorithms and takes memory; the second
/// time it is recorded, and from then on repeated.
class CudaReplay final : public Replay {
 public:
  explicit CudaReplay(const Cuda& cuda) : cuda_(cuda) {}
  // before the graph goes
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
    // A recording holds addresses. The tensors stay; the scratch memory moves when anybody wants
    // more of it, and may come back smaller.
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
  /// Leaves a graph, or a refusal.
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
      // Nothing was done yet. What is at fault with the work itself will be thrown again when it is
      // launched.
      refusal_ = error.what();
      static_cast<void>(cudaGetLastError());  // told; the next launch is not to blame
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
  const std::byte* scratch_ = nullptr;  // when it was recorded
  std::size_t scratch_bytes_ = 0;
};

}  // namespace

std::unique_ptr<Replay> make_replay(Cuda& cuda) { return std::make_unique<CudaReplay>(cuda); }

}  // namespace amnet
