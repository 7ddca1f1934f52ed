// How long each piece of work takes on the GPU: an event before and one after it in the stream,
// where the caller has asked for it (Cuda::time_kernels). Every function that puts work into the
// stream does so through timed(), which costs only a comparison otherwise.
//
//   timed(cuda.state(), [&] { return choice.name; }, [&] { dnn::run(choice.plan, …); });
#pragma once

#include "state.h"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace amnet {

class Profile {
 public:
  explicit Profile(cudaStream_t stream) : stream_(stream) {}

  /// Discards a piece that was begun and not ended.
  void begin(std::string name);
  void end();
  /// The times of all pieces that have ended, the longest first; waits for the GPU.
  std::vector<KernelTime> times();

 private:
  struct Piece {
    std::string name;
    Event begin, end;
  };
  struct Sum {
    std::int64_t calls = 0;
    double seconds = 0;
  };
  Event event();

  cudaStream_t stream_;
  Piece open_;
  std::vector<Piece> pieces_;  // not yet in sums_
  std::vector<Event> free_;
  std::map<std::string, Sum> sums_;
};

/// Calls put(), which puts one piece of work into the stream of the state; calls name() only where
/// it is timed.
template <class Name, class Put>
void timed(CudaState& state, Name&& name, Put&& put) {
  if (state.profile == nullptr) [[likely]] {
    put();
    return;
  }
  state.profile->begin(name());
  put();
  state.profile->end();
}

/// "FindBad<float>" from __PRETTY_FUNCTION__ of a function template over a type `Kernel`.
std::string readable_kernel_name(std::string_view function);

}  // namespace amnet
