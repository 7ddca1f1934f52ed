// The time that the steps of this process have taken, without verification and saving: for the time
// left, and the speed since the last line of the log.
//
//   StepClock clock;
//   clock.add_step(0.5, 64);      // a step of 64 samples took half a second
//   clock.samples_per_second();   // 128
//   clock.seconds_for(1000);      // 500: what so many steps will take
#pragma once

#include <cstdint>

namespace amnet {

class StepClock {
 public:
  /// Adds a step of so many samples that took so many seconds.
  void add_step(double seconds, std::int64_t samples) {
    steps_ += 1;
    samples_ += samples;
    add_rest(seconds);
  }
  /// Adds time to steps that are counted already: the wait for a GPU.
  void add_rest(double seconds) {
    all_ += seconds;
    interval_ += seconds;
  }
  /// Adds seconds of the next step that were spent waiting for data.
  void add_wait(double seconds) { wait_ += seconds; }
  /// After a line of the log.
  void start_interval() {
    interval_ = wait_ = 0;
    samples_ = 0;
  }

  std::int64_t steps() const { return steps_; }
  double seconds_for(std::int64_t steps) const { return steps_ == 0 ? 0 : all_ / static_cast<double>(steps_) * static_cast<double>(steps); }
  /// Over the interval, 0 where no step was taken in it.
  double samples_per_second() const { return interval_ > 0 ? static_cast<double>(samples_) / interval_ : 0; }
  double wait_share() const { return interval_ > 0 ? wait_ / interval_ : 0; }

 private:
  std::int64_t steps_ = 0;
  std::int64_t samples_ = 0;  // of the interval, as are the two below all_
  double all_ = 0;
  double interval_ = 0;
  double wait_ = 0;
};

}  // namespace amnet
