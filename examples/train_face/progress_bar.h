// One line on a terminal with the progress, the time left and the current activity, cut to the
// terminal's width; prints nothing where stderr is not a terminal.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

class ProgressBar {
 public:
  ProgressBar();
  ~ProgressBar() { clear(); }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  /// Draws "training  [####      ]  40%  1:23 left  loss 7.13"; `seconds_left` < 0: not known yet.
  void show(std::string_view activity, std::int64_t done, std::int64_t all, double seconds_left, std::string_view detail = {});
  /// Removes the line, so that other text can be written.
  void clear();
  /// Writes a line of text above the bar.
  void print(std::string_view line);

 private:
  std::string_view erasing(std::size_t columns) const;

  bool terminal_;
  bool shown_ = false;
  std::size_t drawn_columns_ = 0;
  double last_drawn_ = 0;
};

/// How long work of constant speed will take; it begins when this object is made.
class Pace {
 public:
  /// Below 0 before anything is done.
  double seconds_left(std::int64_t done, std::int64_t all) const {
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - began_;
    return done > 0 ? spent.count() * static_cast<double>(all - done) / static_cast<double>(done) : -1;
  }

 private:
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};
