// Batches of tensors that lie in memory, in a new order in every epoch.
//
//   TensorSource source({{"points", points}, {"labels", labels}}, {.batch = 64, .seed = 1});
//   Trainer trainer(device, model, source, {.steps = 1000});
#pragma once

#include <amnet/data/sampler.h>
#include <amnet/train/batch_source.h>

namespace amnet {

struct TensorSourceOptions {
  std::int64_t batch = 64;
  std::uint64_t seed = 1;
  bool shuffle = true;  ///< else the order of the tensors, in every epoch
};

/// Each sample comes once in an epoch; a batch may continue over the end of one. Which samples a
/// batch has is a function of the seed and of how many came before it.
class TensorSource final : public BatchSource {
 public:
  /// Tensors on the host, named as the inputs that they go to, with as many rows as there are
  /// samples. Throws UsageError where there are none, or where their numbers of rows differ.
  TensorSource(std::vector<NamedTensor> tensors, TensorSourceOptions options);

  Batch next() override;
  std::int64_t batch() const override { return options_.batch; }
  std::int64_t epoch() const override { return tensors_.front().tensor.extent(0); }
  std::int64_t cursor() const override { return cursor_; }
  void seek(std::int64_t cursor) override { cursor_ = cursor; }
  std::uint64_t fingerprint() const override { return fingerprint_; }

 private:
  std::vector<NamedTensor> tensors_;
  TensorSourceOptions options_;
  Sampler sampler_;
  std::uint64_t fingerprint_;
  std::int64_t cursor_ = 0;  // samples that came so far
};

}  // namespace amnet
