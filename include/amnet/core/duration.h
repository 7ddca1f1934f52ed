// How long something takes, for people.
//
//   const Stopwatch watch;
//   const std::string taken = duration_text(watch.seconds());   // "0 s"
//   duration_text(750);                                         // "12.5 min"
#pragma once

#include <fmt/format.h>
#include <chrono>
#include <string>

namespace amnet {

class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count(); }

 private:
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

/// "1.9 h", "12.5 min", "41 s"
inline std::string duration_text(double seconds) {
  if (seconds >= 3600) return fmt::format("{:.1f} h", seconds / 3600);
  if (seconds >= 60) return fmt::format("{:.1f} min", seconds / 60);
  return fmt::format("{:.0f} s", seconds);
}

}  // namespace amnet
