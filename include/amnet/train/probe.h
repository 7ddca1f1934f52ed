// Numbers about a step that the device computes along with it, and that are returned with the loss,
// without waiting.
//
//   Trainer trainer(device, model, source, {.steps = 100, .probes = {std::make_shared<FeatureProbe>(), std::make_shared<GradientNorm>()}});
//   trainer.run_step();
//   trainer.meters()["feature_norm"];   // the mean since the last line of the log
//   trainer.latest("gradient_norm");    // of the last step
#pragma once

#include <amnet/model/model.h>
#include <amnet/net/plan.h>

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace amnet {

struct ProbeArgs {
  Device& device;
  const Model& model;
  const Plan& plan;
  std::int64_t step;      ///< Step::number of the step that is under way
  std::int64_t samples;   ///< the first rows of the plan's values
  const Tensor& numbers;  ///< f64 (names().size()), where the device computes: to be written
};

class Probe {
 public:
  /// When it looks. after_forward: in every micro-batch, when the values are there; its numbers are
  /// means over micro-batches. before_update: once in a step, at its whole gradient, the sum over
  /// `TrainerOptions::accumulate` micro-batches.
  enum class Moment : unsigned char { after_forward, before_update };

  virtual ~Probe() = default;
  virtual Moment moment() const { return Moment::after_forward; }
  virtual std::vector<std::string> names() const = 0;
  /// The values that it reads, which the plan then keeps. Throws UsageError where the model has
  /// none.
  virtual std::vector<Value> reads(const Model&) const { return {}; }
  /// Launches kernels and waits for nothing. After a forward pass they must be the same in every
  /// step: they are recorded and repeated.
  virtual void look(const ProbeArgs& args) const = 0;
  /// On the host, when they are there: converts what the device has written to the numbers to
  /// report.
  virtual void conclude(std::span<double> /*numbers*/) const {}
};

/// "target_cosine" and "feature_norm", by the embedding, the labels and the class weights of the
/// model: kernels/feature_statistics.h.
class FeatureProbe final : public Probe {
 public:
  std::vector<std::string> names() const override { return {"target_cosine", "feature_norm"}; }
  std::vector<Value> reads(const Model& model) const override;
  void look(const ProbeArgs& args) const override;
};

/// "gradient_norm": the root of the sum of squares over all gradients of a step, the sum of its
/// micro-batches. It reads them all, which on a CPU takes a hundredth of a step of few samples:
/// where only some steps are reported, restrict it to those.
class GradientNorm final : public Probe {
 public:
  /// Looks in the steps for which `when` returns true, given Step::number; in others it reports the
  /// numbers of the last of those. Empty: in every step.
  explicit GradientNorm(std::function<bool(std::int64_t step)> when = {}) : when_(std::move(when)) {}

  Moment moment() const override { return Moment::before_update; }
  std::vector<std::string> names() const override { return {"gradient_norm"}; }
  void look(const ProbeArgs& args) const override;
  void conclude(std::span<double> numbers) const override;

 private:
  std::function<bool(std::int64_t step)> when_;
};

}  // namespace amnet
