#include "progress_bar.h"

#include <fmt/core.h>

#include <unistd.h>
#include <algorithm>
#include <chrono>
#include <cstdio>

namespace {

double seconds_now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

std::string time_text(double seconds) {
  if (seconds < 0) return "   …";
  const auto whole = static_cast<std::int64_t>(seconds + 0.5);
  if (whole >= 3600) return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

}  // namespace

ProgressBar::ProgressBar() : terminal_(isatty(STDERR_FILENO) != 0) {}

void ProgressBar::show(std::string_view activity, std::int64_t done, std::int64_t all, double seconds_left, std::string_view detail) {
  constexpr double redraw_seconds = 0.1;
  if (!terminal_) return;
  const double now = seconds_now();
  if (shown_ && now - last_drawn_ < redraw_seconds && done < all) return;
  last_drawn_ = now;
  constexpr std::int64_t width = 30;
  const std::int64_t filled = all > 0 ? std::clamp<std::int64_t>(done * width / all, 0, width) : 0;
  const std::string bar = std::string(static_cast<std::size_t>(filled), '#') + std::string(static_cast<std::size_t>(width - filled), ' ');
  const std::string line =
      fmt::format("{:<12} [{}] {:>3}%  {} left  {}", activity, bar, all > 0 ? done * 100 / all : 0, time_text(seconds_left), detail);
  std::fprintf(stderr, "\r\033[K%s", line.c_str());
  shown_ = true;
}

void ProgressBar::clear() {
  if (shown_) std::fputs("\r\033[K", stderr);
  shown_ = false;
}

void ProgressBar::print(std::string_view line) {
  clear();
  std::fprintf(stderr, "%.*s\n", static_cast<int>(line.size()), line.data());
}
