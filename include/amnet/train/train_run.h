// A training run: the steps of a trainer, and between them its observers.
//
//   Trainer trainer(device, model, source, {.steps = 1000});
//   RunLog log("runs/a/train.log", print);
//   StepLog step_log("runs/a", log);
//   Checkpoints checkpoints("runs/a", log, {.every = 100});   // started again, the program goes on from the last of them
//   train(trainer, {&step_log, &checkpoints});
#pragma once

#include <amnet/train/observer.h>
#include <amnet/train/trainer.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace amnet {

struct TrainProgress {
  std::int64_t step = 0;
  std::int64_t steps = 0;
  double seconds_left = 0;  ///< from the steps since this process started
  /// "training", "saving", or what an observer does; before the first step, `step` and `steps`
  /// count its work
  std::string activity;
  Meters meters;  ///< means since the last line of the log, or of it
};

/// How a program shows a run, and stops it.
struct TrainHooks {
  std::function<void(const TrainProgress&)> progress = {};
  /// called between two steps, and by observers whose work takes long
  std::function<TrainRequest()> poll = {};
};

/// What observers see of a run.
class TrainRun {
 public:
  TrainRun(Trainer& trainer, std::vector<Observer*> observers, TrainHooks hooks)
      : trainer_(trainer), observers_(std::move(observers)), hooks_(std::move(hooks)) {}

  /// See train().
  bool go();

  Trainer& trainer() { return trainer_; }
  const Trainer& trainer() const { return trainer_; }

  /// Requests a checkpoint, or a stop, which cannot be withdrawn.
  void ask(TrainRequest request);
  /// What was requested, also through the hook of the program, which is called now.
  TrainRequest poll();
  TrainRequest request() const { return request_; }
  /// Records that the requested checkpoint was written.
  void answer_snapshot();

  /// The step of the best check so far, -1 before the first; set by the observer that checks.
  std::int64_t best_step() const { return best_step_; }
  void set_best_step(std::int64_t step) { best_step_ = step; }

  /// Passes what an observer has found at this step to all observers.
  void report(const std::vector<Reported>& numbers) const;

  /// Reports the current activity to the program.
  void show(std::string activity) const;
  /// Reports work on so many images before the first step; false where a stop was requested
  /// meanwhile.
  bool show_work(std::string activity, std::int64_t done, std::int64_t all, double seconds_taken);

  /// The state of the trainer and of all observers, and back: Trainer::state.
  std::string state() const;
  void restore(const std::string& state, std::string_view source);

 private:
  bool observed();
  bool steps();
  NonFiniteError with_batch_kept(const NonFiniteStep& error);
  void tell(const std::exception& error) noexcept;

  Trainer& trainer_;
  std::vector<Observer*> observers_;
  TrainHooks hooks_;
  TrainRequest request_ = TrainRequest::none;
  bool restored_ = false;
  std::int64_t best_step_ = -1;
};

/// Runs the trainer to its last step, or until a stop is requested; it then returns true. Errors
/// are thrown after the observers were informed: errors of data, files and devices, and
/// NonFiniteError at the step whose loss is not finite.
bool train(Trainer& trainer, const std::vector<Observer*>& observers = {}, const TrainHooks& hooks = {});

}  // namespace amnet
