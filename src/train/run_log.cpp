#include "line_file.h"

#include <amnet/core/text.h>
#include <amnet/train/run_log.h>

#include <charconv>
#include <ctime>
#include <sstream>

namespace amnet {
namespace {

// The step a line is about: "… Step 120/300 …", "saved step_00000120 …", "[val][120] …"; -1 for
// none.
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

std::string stamped(std::string_view text) { return time_stamp() + " " + one_line(text); }

}  // namespace

std::string time_stamp() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  char text[32];
  const std::size_t length = std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &local);
  return {text, length};
}

RunLog::RunLog(std::filesystem::path path, Echo echo, Wording wording) : echo_(std::move(echo)), wording_(std::move(wording)) {
  file_ = std::make_unique<LineFile>(std::move(path), [this](std::string_view fault) {
    if (echo_) echo_(stamped(fault));
  });
}

RunLog::~RunLog() = default;

void RunLog::line(std::string_view text) {
  in_use_ = true;
  const std::string full = stamped(wording_ ? wording_(text) : std::string(text));
  file_->append(full);
  if (echo_) echo_(full);
}

void RunLog::final_line(std::string_view text) noexcept {
  try {
    file_->append(stamped(wording_ ? wording_(text) : std::string(text)));
  } catch (const std::exception&) {
    return;
  }
}

void RunLog::cut_after(std::int64_t step) {
  in_use_ = true;
  file_->rewrite([step](const std::string& content) {
    std::stringstream text(content);
    std::string kept;
    for (std::string line; std::getline(text, line);) {
      if (step_of(line) <= step) kept += line + "\n";
    }
    return kept;
  });
}

}  // namespace amnet
