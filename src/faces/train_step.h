// One training step on a device: a batch's way there, both passes, the update, and the numbers that come back. A GPU is given the next step
// before the numbers of the last ones have arrived, so nothing waits; a CPU's are there at once.
//
// A loss that is not finite raises a flag where the device computes, and a raised flag keeps every later update from changing anything.
// So the host may notice late: the parameters are still those that the bad batch met.
#pragma once

#include <amnet/faces/heads.h>
#include <amnet/faces/loader.h>
#include <amnet/kernels/replay.h>
#include <amnet/kernels/transfer.h>
#include <amnet/train/meters.h>
#include <amnet/train/solver.h>

#include <deque>
#include <memory>
#include <optional>
#include <string>

namespace amnet {

/// What a step reads and writes of a net.
struct TrainedNet {
  Net& net;
  Plan& plan;  // that trains it, with the embedding, the head's loss and its accuracy kept
  Value images, labels, embedding;
  Head head;
  ImageFormat format;
  Tensor cached_images = {};  // u8 (images,H,W,3), where batches come without pixels: those of the whole set
};

class TrainStep {
 public:
  /// All of it must outlive the step.
  TrainStep(Device& device, const TrainedNet& trained, Solver& solver);

  /// Forward and backward of a micro-batch of step `step`.
  void accumulate(Batch batch, Step step, Write write);
  /// The update, from the gradients of `micro_batches`.
  void update(double learning_rate, std::int64_t micro_batches);

  struct Done {
    Batch batch;
    std::int64_t step;
    Meters meters;  // of this micro-batch alone
  };
  /// The numbers of the oldest micro-batch that has not been answered; nothing while the device may still be at work on it, unless `wait`.
  std::optional<Done> done(bool wait);

  /// The norm of the last step's gradient over all parameters together, the mean of `micro_batches`; after its update. Waits for the
  /// device.
  double gradient_norm(std::int64_t micro_batches);
  /// Of the last micro-batch: mean_cosine_between_classes of its features (train/health.h). Waits for the device.
  double others_cosine();

  /// Why a GPU is given every kernel by itself and not a recording of the step; empty where it is not.
  const std::string& refusal() const { return first_->refusal(); }

  /// Runs a batch forward again and names the first layer whose parameters or outputs are not finite; empty when all are.
  std::string first_non_finite(const Batch& batch, Step step);

 private:
  void bring(const Batch& batch);
  Tensor class_weights() const;

  Device& device_;
  TrainedNet trained_;
  Solver& solver_;
  std::unique_ptr<Upload> upload_;
  std::unique_ptr<Results> results_;
  std::unique_ptr<Replay> first_, later_;  // both passes of a step's first micro-batch, which assigns its gradients, and of those that add
  Tensor statistics_;                      // f64 (2): kernels/feature_statistics.h
  Tensor halted_;                          // u8 (1): 1 from the first loss on that was not finite
  struct Begun {
    Batch batch;
    std::int64_t step;
  };
  std::deque<Begun> begun_;  // as many as results wait
};

}  // namespace amnet
