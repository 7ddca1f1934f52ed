// One line on a terminal that says how far it is, how long it will take and what it is doing; silent where stderr is no terminal.
#pragma once

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
  bool terminal_;
  bool shown_ = false;
  double last_drawn_ = 0;
};
