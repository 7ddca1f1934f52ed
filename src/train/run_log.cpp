#include <amnet/io/durable_file.h>
#include <amnet/train/run_log.h>

#include <charconv>
#include <cstdio>
#include <ctime>
#include <limits>
#include <sstream>

namespace amnet {
namespace {

// The step a line is about: "… Step 120/300 …", "saved step_00000120 …", "[val][120] …"; -1 for none.
std::int64_t step_of(std::string_view line) {
  for (const std::string_view mark : {"  Step ", " saved step_", " [val]["}) {
    const std::size_t found = line.find(mark);
    if (found == std::string_view::npos) continue;
    std::int64_t step = -1;
    const char* digits = line.data() + found + mark.size();
    std::from_chars(digits, line.data() + line.size(), step);
    return step;
  }
  return -1;
}

}  // namespace

std::string time_stamp() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  char text[32];
  const std::size_t length = std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &local);
  return {text, length};
}

void RunLog::line(std::string_view text) {
  const std::string full = time_stamp() + " " + std::string(text);
  write(full);
  if (echo_) echo_(full);
}

void RunLog::last_words(std::string_view text) noexcept {
  try {
    write(time_stamp() + " " + std::string(text));
  } catch (const std::exception&) {
    return;
  }
}

void RunLog::write(const std::string& line) {
  std::FILE* file = std::fopen(path_.c_str(), "ab");
  require<FileError>(file != nullptr, "{}: the log cannot be opened for writing.", path_.string());
  const std::string with_end = line + "\n";
  const bool written = std::fwrite(with_end.data(), 1, with_end.size(), file) == with_end.size();
  const bool closed = std::fclose(file) == 0;
  require<FileError>(written && closed, "{}: a line of the log could not be written; is the disk full?", path_.string());
}

void RunLog::cut_after(std::int64_t step) {
  if (!std::filesystem::exists(path_)) return;
  std::stringstream text(read_file(path_, std::numeric_limits<std::size_t>::max()));
  std::string kept;
  for (std::string line; std::getline(text, line);) {
    if (step_of(line) <= step) kept += line + "\n";
  }
  write_durably(path_, kept);
}

}  // namespace amnet
