#include <amnet/train/train_run.h>

#include <algorithm>
#include <utility>

namespace amnet {

bool TrainRun::go() {
  try {
    return observed();
  } catch (const NonFiniteStep& error) {
    const NonFiniteError told = with_batch_kept(error);
    tell(told);
    throw told;
  } catch (const std::exception& error) {
    tell(error);
    throw;
  }
}

bool TrainRun::observed() {
  for (Observer* observer : observers_) observer->open(*this);
  for (Observer* observer : observers_) observer->start(*this);
  const bool stopped = request_ == TrainRequest::stop || steps();
  for (auto observer = observers_.rbegin(); observer != observers_.rend(); ++observer) (*observer)->finish(*this, stopped);
  return stopped;
}

bool TrainRun::steps() {
  if (restored_) {
    for (Observer* observer : observers_) observer->catch_up(*this);
  }
  bool stopped = restored_ && poll() == TrainRequest::stop;
  while (!stopped && trainer_.run_step()) {
    show("training");
    for (Observer* observer : observers_) observer->after_step(*this);
    const bool owes = std::ranges::any_of(observers_, [this](const Observer* observer) { return observer->owes(*this); });
    stopped = poll() == TrainRequest::stop && (!trainer_.is_last() || owes);
  }
  return stopped;
}

// The error, with the place where its samples are stored.
NonFiniteError TrainRun::with_batch_kept(const NonFiniteStep& error) {
  for (Observer* observer : observers_) {
    const std::string place = observer->keep_bad_batch(*this, error);
    if (!place.empty()) return NonFiniteError(error.sentence(", " + place));
  }
  return error;
}

void TrainRun::tell(const std::exception& error) noexcept {
  for (auto observer = observers_.rbegin(); observer != observers_.rend(); ++observer) (*observer)->fail(*this, error);
}

void TrainRun::ask(TrainRequest request) {
  if (request_ != TrainRequest::stop && request != TrainRequest::none) request_ = request;
}

TrainRequest TrainRun::poll() {
  if (hooks_.poll && request_ != TrainRequest::stop) ask(hooks_.poll());
  return request_;
}

void TrainRun::answer_snapshot() {
  if (request_ == TrainRequest::snapshot) request_ = TrainRequest::none;
}

void TrainRun::report(const std::vector<Reported>& numbers) const {
  for (Observer* observer : observers_) observer->reported(*this, numbers);
}

void TrainRun::show(std::string activity) const {
  if (!hooks_.progress) return;
  hooks_.progress({.step = trainer_.step(),
                   .steps = trainer_.options().steps,
                   .seconds_left = trainer_.clock().seconds_for(trainer_.options().steps - trainer_.step()),
                   .activity = std::move(activity),
                   .meters = trainer_.meters()});
}

bool TrainRun::show_work(std::string activity, std::int64_t done, std::int64_t all, double seconds_taken) {
  const double left = seconds_taken * static_cast<double>(all - done) / static_cast<double>(std::max<std::int64_t>(done, 1));
  if (hooks_.progress) hooks_.progress({.step = done, .steps = all, .seconds_left = left, .activity = std::move(activity), .meters = {}});
  return poll() != TrainRequest::stop;
}

std::string TrainRun::state() const {
  Options more;
  more.set("best_step", {best_step_});
  for (const Observer* observer : observers_) observer->store(more);
  return trainer_.state(more);
}

void TrainRun::restore(const std::string& state, std::string_view source) {
  const Options more = trainer_.restore(state, source);
  const OptionValue* best = more.find("best_step");
  const auto* step = best != nullptr ? std::get_if<std::int64_t>(&best->value) : nullptr;
  require<DataError>(step != nullptr, "{}: this is no training state (it has no best_step).", source);
  best_step_ = *step;
  for (Observer* observer : observers_) observer->restore(*this, more);
  restored_ = true;
}

bool train(Trainer& trainer, const std::vector<Observer*>& observers, const TrainHooks& hooks) {
  return TrainRun(trainer, observers, hooks).go();
}

}  // namespace amnet
