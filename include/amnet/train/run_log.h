// train.log: what happened in a run, line by line with the time, and nothing twice across a resume.
//
//   RunLog log("runs/a/train.log", [](std::string_view line) { fmt::print("{}\n", line); });
//   log.line("Learning rate 0.1");   // "2026-11-23 12:00:00 Learning rate 0.1"
#pragma once

#include <cstdint>
#include <exception>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace amnet {

/// "2026-11-23 12:00:00", local time.
std::string time_stamp();

class LineFile;  // src/train/line_file.h

class RunLog {
 public:
  using Echo = std::function<void(std::string_view line)>;

  using Wording = std::function<std::string(std::string_view text)>;

  /// Appends to `path`; every line, as `wording` has it, also goes to `echo`, if there is one. A
  /// log that cannot be written, such as on a full disk, does not end a run: the echo reports it
  /// once, and lines are missing until it can be written again.
  explicit RunLog(std::filesystem::path path, Echo echo = {}, Wording wording = {});
  ~RunLog();
  RunLog(const RunLog&) = delete;
  RunLog& operator=(const RunLog&) = delete;

  /// Writes one line with the time before it, as UTF-8 without control characters. It is in the
  /// file when this returns.
  void line(std::string_view text);
  /// The same for an error that the caller will show: not echoed.
  void final_line(std::string_view text) noexcept;
  /// Runs `work`; if that throws once the log is in use, the error becomes the last line of the
  /// log. A run that is refused before that writes none.
  template <class Work>
  auto logging_errors(Work&& work) {
    try {
      return std::forward<Work>(work)();
    } catch (const std::exception& error) {
      if (in_use_) final_line(std::string("Ended by an error: ") + error.what());
      throw;
    }
  }
  /// Removes the lines about steps after `step`, which a resumed run will do again.
  void cut_after(std::int64_t step);

 private:
  std::unique_ptr<LineFile> file_;
  Echo echo_;
  Wording wording_;
  bool in_use_ = false;
};

}  // namespace amnet
