// How each convolution is run: chosen when a process first meets it, kept for all later calls.
// Among the graphs that carry it out and the engines that cuDNN's heuristics list for them, the
// fastest on this GPU is taken of those with correct results. The choice is kept in a file for
// later processes, each of which checks it against plain sums once more.
//
//   const ConvolutionChoice& choice = cuda.state().convolutions->choose(cuda, operation, [&](const ConvolutionChoice& trial) { ... });
#pragma once

#include "conv2d_graphs.h"

#include <functional>
#include <map>

namespace amnet {

/// An engine does not compute what its graph defines.
struct WrongSums : DeviceError {
  using DeviceError::DeviceError;
};

struct ConvolutionChoice {
  ConvolutionGraph graph;
  dnn::Plan plan;
  std::string engine;  ///< its name, by which another process can find it
  std::string name;    ///< for Cuda::count
  /// its first run is compared with plain sums, and throws WrongSums where it differs
  bool proven = false;
};

struct ConvolutionPlans {
  /// Plans that need more workspace are left out.
  std::size_t workspace_limit = std::size_t{1} << 30;
  /// For tests: decides which of the candidates to take, instead of the clock and the file.
  std::function<std::size_t(std::span<const ConvolutionChoice>)> chooser;

  /// The choice for the operation. `run` puts one candidate into the stream; it is called while
  /// candidates are checked and timed, and not at all when this process has already chosen. Throws
  /// UsageError where the device must be deterministic and no engine is, and DeviceError where
  /// cuDNN has no engine.
  const ConvolutionChoice& choose(Cuda& cuda, const ConvolutionGraph& operation, const std::function<void(const ConvolutionChoice&)>& run);
  /// The workspace of the choice or, where there is none yet, of the first plan in the heuristics'
  /// list: for forecasts.
  std::size_t workspace_bytes(CudaState& state, const ConvolutionGraph& operation);

 private:
  std::map<std::string, ConvolutionChoice> choices_;
  std::map<std::string, std::size_t> forecasts_;
};

}  // namespace amnet
