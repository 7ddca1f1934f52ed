// Transfers data to a device and results back, while the device continues to compute. On a CPU
// nothing has to move.
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

/// Copies tensors of the host to where a device computes. On a GPU there are two sets of buffers,
/// so that one is filled while the other is read, and the copies run in parallel with the
/// computation.
class Upload {
 public:
  virtual ~Upload() = default;
  /// The tensors on the device, for all work that is launched until the next call. On a GPU the
  /// tensors of the host may change when this returns; on a CPU they stay in use. If shapes or
  /// dtypes differ from those of earlier calls, a GPU takes new memory for them, and waits.
  virtual std::vector<Tensor> bring(const std::vector<Tensor>& host) = 0;
};
std::unique_ptr<Upload> make_upload(Cpu& cpu);
std::unique_ptr<Upload> make_upload(Cuda& cuda);

/// Copies small tensors from a device to the host, first in, first out.
class Results {
 public:
  virtual ~Results() = default;
  /// Stores the values that the tensors have when all work launched before is done.
  virtual void put(const std::vector<Tensor>& values) = 0;
  /// How many puts have not been taken.
  virtual std::size_t waiting() const = 0;
  /// The oldest put, on the host; waits until it is there. Throws DeviceError for work that failed
  /// on the device meanwhile.
  virtual std::vector<Tensor> take() = 0;
};
std::unique_ptr<Results> make_results(Cpu& cpu);
std::unique_ptr<Results> make_results(Cuda& cuda);

/// Copies the elements in the order of the launches, without waiting. Both lie where the device
/// computes and have one shape and dtype.
void copy(Cpu& cpu, const Tensor& from, const Tensor& to);
void copy(Cuda& cuda, const Tensor& from, const Tensor& to);

}  // namespace amnet
