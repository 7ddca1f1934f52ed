// train.log: what happened in a run, line by line with the time, and nothing twice across a resume.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace amnet {

/// "2026-11-23 12:00:00", local time.
std::string time_stamp();

class LineFile;  // src/train/line_file.h

class RunLog {
 public:
  using Echo = std::function<void(std::string_view line)>;

  /// Appends to `path`; every line also goes to `echo`, if there is one. A log only tells: where it cannot be written, such as on a
  /// full disk, the echo says so once, and lines are missing until it can be again.
  RunLog(std::filesystem::path path, Echo echo);
  ~RunLog();
  RunLog(const RunLog&) = delete;
  RunLog& operator=(const RunLog&) = delete;

  /// Writes one line with the time before it, as UTF-8 without control characters. It is in the file when this returns.
  void line(std::string_view text);
  /// The same for an error that the caller is going to show: not echoed.
  void last_words(std::string_view text) noexcept;
  /// Removes the lines about steps after `step`, which a resumed run is going to take again.
  void cut_after(std::int64_t step);

 private:
  std::unique_ptr<LineFile> file_;
  Echo echo_;
};

}  // namespace amnet
