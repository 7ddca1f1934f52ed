// train.log: what happened in a run, line by line with the time, and nothing twice across a resume.
#pragma once

#include <amnet/core/error.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace amnet {

/// "2026-11-23 12:00:00", local time.
std::string time_stamp();

class RunLog {
 public:
  using Echo = std::function<void(std::string_view line)>;

  /// Appends to `path`; every line also goes to `echo`, if there is one.
  RunLog(std::filesystem::path path, Echo echo) : path_(std::move(path)), echo_(std::move(echo)) {}

  /// Writes one line with the time before it. It is in the file when this returns. Throws FileError.
  void line(std::string_view text);
  /// The same for an error that the caller is going to show: not echoed, and a log that cannot be written is not another error.
  void last_words(std::string_view text) noexcept;
  /// Removes the lines about steps after `step`, which a resumed run is going to take again.
  void cut_after(std::int64_t step);

 private:
  void write(const std::string& line);

  std::filesystem::path path_;
  Echo echo_;
};

}  // namespace amnet
