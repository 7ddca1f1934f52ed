// Work that is launched again and again on the same tensors. A GPU records its launches once, as a
// CUDA graph, and repeats them with one call, so that the host no longer launches kernel by kernel;
// a CPU does the work each time.
//
//   const std::unique_ptr<Replay> replay = make_replay(cpu);
//   for (int step = 0; step < 3; ++step) {
//     x.fill(step);   // outside: what differs from one time to the next
//     replay->run([&] {
//       relu_forward(cpu, x, y);
//       return true;   // the next time would be the very same
//     });
//   }
#pragma once

#include <amnet/core/device.h>

#include <functional>
#include <memory>
#include <string>

namespace amnet {

class Replay {
 public:
  virtual ~Replay() = default;
  /// Runs `work`: launches on tensors that are not moved, and nothing that waits for them. `work`
  /// returns whether its launches would be exactly the same the next time; false is final, and
  /// `work` is then called every time. Otherwise a GPU calls it once to prepare (algorithms are
  /// chosen, memory is taken), records it in the second call, and does not call it again as long as
  /// the recording is valid. What cannot be recorded is launched as before, and refusal() says why.
  virtual void run(const std::function<bool()>& work) = 0;
  /// Why the work could not be recorded though it repeats; empty where it was, or did not have to
  /// be.
  virtual const std::string& refusal() const = 0;
};
std::unique_ptr<Replay> make_replay(Cpu& cpu);
std::unique_ptr<Replay> make_replay(Cuda& cuda);

}  // namespace amnet
