// The most host memory that a training run will take, reported before the first step (for a GPU:
// device_forecast.h).
//
//   MemoryForecast memory = forecast_memory(net, plan, device, options, queue_of(options));
//   memory.list = list_bytes(list, options);
//   memory.program = program_bytes();
//   fmt::print("{}\n", memory.str());   // "Memory: 63 MB in all = parameters 19 MB + …"
#pragma once

#include <amnet/faces/face_list.h>
#include <amnet/faces/face_training.h>
#include <amnet/faces/pairs.h>
#include <amnet/net/plan.h>

#include <cstddef>
#include <string>

namespace amnet {

/// Bytes, by purpose.
struct MemoryForecast {
  /// with gradients and what the solver keeps, where the host computes
  std::size_t parameters = 0;
  std::size_t activations = 0;  ///< of a training step, likewise
  std::size_t kernels = 0;      ///< their scratch, likewise
  /// weights in the order of the file; from a GPU all weights and what the solver keeps
  std::size_t saving = 0;
  std::size_t verification = 0;  ///< see verification_bytes
  std::size_t data = 0;          ///< batches decoded ahead
  std::size_t list = 0;          ///< see list_bytes
  std::size_t report = 0;        ///< see report_bytes
  std::size_t program = 0;
  std::size_t total() const { return parameters + activations + kernels + saving + verification + data + list + report + program; }
  /// "Memory: 63 MB in all = parameters 19 MB + …", without purposes that take nothing
  std::string str() const;
};

/// The forecast for a net and the plan that trains it, with `batches` batches of images in memory;
/// verification, list and report are left at 0.
MemoryForecast forecast_memory(const Net& net, const Plan& plan, Device& device, const FaceTraining& options, std::int64_t batches);

/// The program itself: code, libraries and stacks.
std::size_t program_bytes();

/// The images of a training set, and what is kept for each of them: its place in the order of an
/// epoch, its stand-in with a cache, and its person where these are balanced.
std::size_t list_bytes(const FaceList& list, const FaceTraining& options);

/// What drawing the curves of so many lines of metrics takes at the end of a run.
std::size_t report_bytes(std::int64_t rows);

/// The pairs, and what verify() holds beside the network: both views, the features in double twice,
/// and the scores of pairs and impostors.
std::size_t verification_bytes(const Pairs& pairs, std::int64_t embedding, Protocol protocol);

}  // namespace amnet
