#include "event_records.h"
#include "line_file.h"

#include <amnet/train/tensorboard.h>

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <vector>

namespace amnet {
namespace {

namespace fs = std::filesystem;

double now() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

/// TensorBoard reads the files of a folder in the order of their names, which begin with a second:
/// the next one, also where the clock was set back or two processes began within one second.
fs::path next_event_file(const fs::path& folder) {
  constexpr std::string_view prefix = "events.out.tfevents.";
  auto second = static_cast<std::int64_t>(now());
  std::error_code unreadable;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, unreadable)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(prefix)) continue;
    std::int64_t earlier = 0;
    std::from_chars(name.data() + prefix.size(), name.data() + name.size(), earlier);
    second = std::max(second, earlier + 1);
  }
  return folder / fmt::format("{}{:010}.amnet", prefix, second);
}

}  // namespace

TensorBoard::TensorBoard(const fs::path& folder, RunLog& log) : folder_(folder / "tensorboard"), log_(log) {}

TensorBoard::~TensorBoard() = default;

// What an earlier process wrote of the steps up to here stays.
void TensorBoard::restore(const TrainRun& run, const Options&) { first_step_ = run.trainer().step() + 1; }

void TensorBoard::reported(const TrainRun& run, std::span<const Reported> numbers) {
  std::vector<event_records::Scalar> scalars;
  for (const Reported& number : numbers) {
    if (std::isfinite(number.value)) scalars.push_back({number.name, number.value});
  }
  if (scalars.empty()) return;
  if (!file_) {
    std::error_code told_by_file;  // if the folder cannot be created, the file reports it
    fs::create_directories(folder_, told_by_file);
    file_ = std::make_unique<LineFile>(next_event_file(folder_), [this](std::string_view fault) { log_.line(fault); });
    head_ = event_records::version(now()) + event_records::start(now(), first_step_);
  }
  if (file_->append_bytes(head_ + event_records::scalars(now(), run.trainer().step(), scalars))) head_.clear();
}

}  // namespace amnet
