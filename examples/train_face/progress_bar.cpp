#include "progress_bar.h"
#include "console.h"

#include <amnet/core/text.h>

#include <fmt/core.h>

#include <sys/ioctl.h>
#include <unistd.h>
#include <algorithm>
#include <chrono>

namespace {

double seconds_now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

std::string time_text(double seconds) {
  if (seconds < 0) return "   …";
  const auto whole = static_cast<std::int64_t>(seconds + 0.5);
  if (whole >= 3600) return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

// Read at every redraw, since windows change. A terminal that does not report its width is assumed
// to have the usual one.
std::size_t terminal_columns() {
  constexpr std::size_t usual = 80;
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : usual;
}

// The largest width of a UTF-8 character: two columns from Hangul and the CJK scripts on, except
// for punctuation and symbols.
std::size_t columns_of(std::string_view character) {
  const bool beyond_latin = character.size() > 2 && character >= "\xE1\x84\x80";  // U+1100
  const bool symbol = character >= "\xE2\x80\x80" && character < "\xE2\xB8\x80";  // U+2000 … U+2DFF
  return beyond_latin && !symbol && character != "\xEF\xBF\xBD" ? 2 : 1;
}

struct Fitted {
  std::string_view text;
  std::size_t columns = 0;
};

// The beginning of a UTF-8 line that fits into `columns` columns.
Fitted fitted(std::string_view line, std::size_t columns) {
  std::size_t bytes = 0, taken = 0;
  while (bytes < line.size()) {
    const std::string_view character = line.substr(bytes, amnet::utf8_length(line.substr(bytes)));
    if (taken + columns_of(character) > columns) break;
    taken += columns_of(character);
    bytes += character.size();
  }
  return {line.substr(0, bytes), taken};
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
  const std::string line = fmt::format("{:<12} [{}] {:>3}%  {} left  {}", activity, bar, all > 0 ? done * 100 / all : 0,
                                       time_text(seconds_left), amnet::one_line(detail));
  // The last column stays empty: a character there makes some terminals begin the next row.
  const std::size_t columns = terminal_columns();
  const Fitted shown = fitted(line, columns - 1);
  draw_on_stderr(fmt::format("{}{}\r", erasing(columns), shown.text));
  drawn_columns_ = shown.columns;
  shown_ = true;
}

void ProgressBar::clear() {
  if (shown_) draw_on_stderr(erasing(terminal_columns()));
  shown_ = false;
}

void ProgressBar::print(std::string_view line) {
  clear();
  tell(line);
}

// In a window that has become narrower the line may take several rows. The cursor is at its
// beginning, so the line is everything after the cursor, whether or not the terminal wraps it
// again.
std::string_view ProgressBar::erasing(std::size_t columns) const { return columns > drawn_columns_ ? "\r\033[K" : "\r\033[J"; }
