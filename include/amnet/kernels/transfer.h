// Data on its way to a device and results on their way back, while the device goes on computing. On
// a CPU nothing has to move.
//
//   const std::unique_ptr<Upload> upload = make_upload(cpu);
//   const std::unique_ptr<Results> results = make_results(cpu);
//   const std::vector<Tensor> there = upload->bring({logits, labels});
//   accuracy_forward(cpu, there[0], there[1], accuracy);       // whatever reads `there`
//   results->put({accuracy});                                  // and later, when it is wanted:
//   const std::vector<Tensor> numbers = results->take();
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/tensor.h>

#include <memory>
#include <vector>

namespace amnet {

/// Brings tensors of the host to where a device computes. On a GPU there are two sets of buffers,
/// so that one is filled while the other is read, and the copies run beside the computation.
class Upload {
 public:
  virtual ~Upload() = default;
  /// The tensors on the device, for whatever is launched until the next call. Those of the host may
  /// change when this returns on a GPU, and stay in use on a CPU. Where shapes or dtypes are not
  /// those of the calls before, a GPU takes new memory for them, and waits.
  virtual std::vector<Tensor> bring(const std::vector<Tensor>& host) = 0;
};
std::unique_ptr<Upload> make_upload(Cpu& cpu);
std::unique_ptr<Upload> make_upload(Cuda& cuda);

/// Brings small tensors from a device to the host, first in, first out.
class Results {
 public:
  virtual ~Results() = default;
  /// Notes the values that the tensors have when all that was launched before is done.
  virtual void put(const std::vector<Tensor>& values) = 0;
  /// How many puts have not been taken.
  virtual std::size_t waiting() const = 0;
  /// The oldest put, on the host; waits until it is there. Throws DeviceError for what failed on
  /// the device meanwhile.
  virtual std::vector<Tensor> take() = 0;
};
std::unique_ptr<Results> make_results(Cpu& cpu);
std::unique_ptr<Results> make_results(Cuda& cuda);

/// Copies the elements in the order of the launches, without waiting. Both lie where the device
/// computes and have one shape and dtype.
void copy(Cpu& cpu, const Tensor& from, const Tensor& to);
void copy(Cuda& cuda, const Tensor& from, const Tensor& to);

}  // namespace amnet
