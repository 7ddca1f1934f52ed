// The watch over a run (train/health.h) as one of its observers: it looks at logged steps, and
// warns in the log.
//
//   HealthObserver health(log, {.classes = 902, .epoch = 52}, 20);
//   train(trainer, {&step_log, &health});   // with the probes FeatureProbe and GradientNorm
#pragma once

#include <amnet/train/health.h>
#include <amnet/train/observer.h>
#include <amnet/train/run_log.h>

#include <cstdint>

namespace amnet {

/// For a model with an embedding, labels, and a metric "accuracy"; its trainer has the probes
/// FeatureProbe and GradientNorm.
class HealthObserver final : public Observer {
 public:
  /// Looks every so many steps, those of the log. The log must outlive this.
  HealthObserver(RunLog& log, HealthOptions options, std::int64_t every) : log_(log), watch_(options), every_(every) {}

  void after_step(TrainRun& run) override;
  void store(Options& state) const override;
  void restore(const TrainRun& run, const Options& state) override;

 private:
  RunLog& log_;
  HealthWatch watch_;
  std::int64_t every_;
  Health health_;
};

}  // namespace amnet
