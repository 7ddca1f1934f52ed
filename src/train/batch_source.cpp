#include <amnet/kernels/transfer.h>
#include <amnet/train/batch_source.h>

namespace amnet {

void BatchSource::feed(Device& device, const Batch& batch, std::span<const Tensor> there, const Plan& plan) const {
  for (std::size_t i = 0; i < there.size(); ++i) {
    const Tensor& input = plan.value(batch.tensors[i].name);
    on(device, [&](auto& backend) { copy(backend, there[i], input.slice(0, batch.size())); });
  }
}

}  // namespace amnet
