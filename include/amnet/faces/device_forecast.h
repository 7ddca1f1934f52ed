// How much of a GPU's memory a training run will take: reported before the first step, together
// with what is free. A run that does not fit is refused, with the largest batch that fits.
//
//   const DeviceRun run{.net = net, .loss = head.loss, .keep = {}, .device = device, .format = format};
//   DeviceForecast memory = require_device_memory(run, 256, device_memory().free);
//
// Not counted: CUDA's own context, which exists before the free memory is read; algorithms that are
// tried once and not chosen; and the gaps that the driver leaves between blocks.
#pragma once

#include <amnet/core/error.h>
#include <amnet/core/image_format.h>
#include <amnet/net/plan.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace amnet {

/// Bytes, by purpose.
struct DeviceForecast {
  std::size_t parameters = 0;   ///< with gradients and what the solver keeps
  std::size_t activations = 0;  ///< of a training step
  /// their scratch: cuDNN's workspaces, of the algorithms that it lists first where none is chosen
  /// yet
  std::size_t kernels = 0;
  std::size_t uploads = 0;  ///< two sets of the data that a step uploads
  /// activations of the network that embeds, and the images it is given
  std::size_t verification = 0;
  std::size_t images = 0;  ///< the training set, where the GPU holds it
  /// an allowance for what cuBLAS and cuDNN load when they are first called
  std::size_t libraries = 0;
  std::size_t total() const { return parameters + activations + kernels + uploads + verification + images + libraries; }
  /// "GPU memory: 9123 MB in all = parameters 301 MB + …; 79000 MB are free"
  std::string str(std::size_t free) const;
};

/// A training run without its batch size.
struct DeviceRun {
  const Net& net;
  Value loss;
  std::vector<Value> keep;
  Device& device;
  ImageFormat format;
  PlanBytes embedding = {};  ///< of the network that verifies while training, if one does
  std::int64_t embedding_batch = 0;
  std::int64_t cached_images = 0;  ///< of the training set, where the GPU holds it
  int moments = 1;                 ///< that the solver keeps of each parameter: moments_of()
};

DeviceForecast forecast_device_memory(const DeviceRun& run, std::int64_t batch);

/// The forecast, where `free` bytes are enough for it. Throws MemoryError that says what is needed,
/// what is free, and what to pass.
DeviceForecast require_device_memory(const DeviceRun& run, std::int64_t batch, std::size_t free);

/// The error for an allocation that failed although the forecast was sufficient: the same text,
/// with the largest batch that takes less memory by the missing amount.
MemoryError batch_too_large(const DeviceRun& run, std::int64_t batch, const DeviceMemoryError& error);

/// The largest batch below `too_large` that takes at most `available` bytes; 0 where even one image
/// is too much. `bytes` grows with the batch; because it is nearly a constant plus an amount for
/// each image, it is called only a few times.
std::int64_t largest_batch(std::size_t available, std::int64_t too_large, const std::function<std::size_t(std::int64_t batch)>& bytes);

}  // namespace amnet
