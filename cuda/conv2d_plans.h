// How each convolution is run: made when a process first meets it, kept for all later calls. Among
// the graphs that carry it out and the engines that cuDNN's heuristics name for them, the fastest
// on this GPU is taken of those that compute what they should; what was found is kept in a file for
// later processes, each of which holds it against plain sums once more.
//
//   const ConvolutionChoice& choice = cuda.state().convolutions->choose(cuda, operation, [&](const ConvolutionChoice& trial) { ... });
#pragma once

#include "conv2d_graphs.h"

#include <functional>
#include <map>

namespace amnet {

/// An engine does not compute what its graph says.
struct WrongSums : DeviceError {
  using DeviceError::DeviceError;
};

struct ConvolutionChoice {
  ConvolutionGraph graph;
  dnn::Plan plan;
  std::string engine;  ///< its name, by which another process finds it again
  std::string name;    ///< for Cuda::count
  /// its first run is held against plain sums, and throws WrongSums where it is something else
  bool proven = false;
};

struct ConvolutionPlans {
  /// Plans that need more workspace are left out.
  std::size_t workspace_limit = std::size_t{1} << 30;
  /// For tests: says which of the candidates to take, in the place of the clock and the file.
  std::function<std::size_t(std::span<const ConvolutionChoice>)> chooser;

  /// The choice for the operation. `run` puts one candidate into the stream; it is called while
  /// candidates are proven and timed, and not at all when this process has chosen before. Throws
  /// UsageError where the device is to be deterministic and no engine is, and DeviceError where
  /// cuDNN has none.
  const ConvolutionChoice& choose(Cuda& cuda, const ConvolutionGraph& operation, const std::function<void(const ConvolutionChoice&)>& run);
  /// The workspace of the choice or, where there is none yet, of the first plan that the heuristics
  /// name: for forecasts.
  std::size_t workspace_bytes(CudaState& state, const ConvolutionGraph& operation);

 private:
  std::map<std::string, ConvolutionChoice> choices_;
  std::map<std::string, std::size_t> forecasts_;
};

}  // namespace amnet
