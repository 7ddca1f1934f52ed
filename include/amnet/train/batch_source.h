// Where the batches of a training run come from: named tensors on the host, which a source then
// feeds to the plan that trains. A source has a position (its cursor) and identifies its data (its
// fingerprint), so that a resumed run continues with the same bytes.
//
//   struct Waves final : BatchSource {   // a source of one's own: what it must say. Here the net has an input "x" (N,2)
//     Batch next() override { return {.tensors = {{"x", Tensor::zeros({1, 2}, DType::f32)}}, .samples = {cursor_++}}; }
//     std::int64_t batch() const override { return 1; }
//     std::int64_t epoch() const override { return 1000; }
//     std::int64_t cursor() const override { return cursor_; }
//     void seek(std::int64_t cursor) override { cursor_ = cursor; }
//     std::uint64_t fingerprint() const override { return 1; }
//     std::int64_t cursor_ = 0;
//   };
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/options.h>
#include <amnet/io/safetensors.h>
#include <amnet/net/plan.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace amnet {

/// Tensors of the same samples: their first extents are equal.
struct Batch {
  std::vector<NamedTensor> tensors;   ///< on the host
  std::vector<std::int64_t> samples;  ///< (N): which they are, as the source counts them

  std::int64_t size() const { return static_cast<std::int64_t>(samples.size()); }
};

class BatchSource {
 public:
  virtual ~BatchSource() = default;

  /// The next batch, of 1 to batch() samples; waits until it is ready. There is no end: the data
  /// start again.
  virtual Batch next() = 0;
  /// The most samples of a batch.
  virtual std::int64_t batch() const = 0;
  /// Samples of one pass over the data.
  virtual std::int64_t epoch() const = 0;

  /// Brings a batch to the inputs of a plan. `there` are its tensors in their order, where the
  /// device computes; each goes to the input of its name. A source that makes an input from its
  /// data in another way overrides this; it launches work and does not wait for it.
  virtual void feed(Device& device, const Batch& batch, std::span<const Tensor> there, const Plan& plan) const;

  /// Where the next batch begins: a number that seek() understands, for all samples taken since the
  /// beginning of training.
  virtual std::int64_t cursor() const = 0;
  virtual void seek(std::int64_t cursor) = 0;
  /// A number that differs for other data: a resumed run must find the same one.
  virtual std::uint64_t fingerprint() const = 0;
  /// What else must be unchanged for a resumed run, under the names that messages use.
  virtual Options facts() const { return {}; }
  /// The advice for a user who resumes a run with other data.
  virtual std::string remedy() const { return "take the same data"; }
  /// Names a sample in messages: a file, a line of a list.
  virtual std::string where(std::int64_t sample) const { return "sample " + std::to_string(sample); }
};

}  // namespace amnet
