#include "event_records.h"
#include "line_file.h"

#include <amnet/train/probe.h>
#include <amnet/train/step_log.h>
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
using event_records::Scalar;

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

std::vector<Scalar> scalars_of(const Trainer& trainer) {
  std::vector<Scalar> scalars;
  const auto add = [&](std::string_view name, double value) {
    if (std::isfinite(value)) scalars.push_back({fmt::format("train/{}", name), value});
  };
  for (const std::string& name : trainer.meters().names()) add(name, trainer.meters()[name]);
  for (const auto& probe : trainer.options().probes) {
    if (probe->moment() != Probe::Moment::before_update) continue;
    for (const std::string& name : probe->names()) add(name, trainer.latest(name));
  }
  add("epoch", trainer.epoch());
  add("learning_rate", trainer.learning_rate());
  add("samples_per_second", trainer.clock().samples_per_second());
  add("wait_fraction", trainer.clock().wait_share());
  return scalars;
}

}  // namespace

TensorBoard::TensorBoard(const fs::path& folder, RunLog& log, TensorBoardOptions options)
    : folder_(folder / "tensorboard"), log_(log), options_(options) {
  require(options_.every >= 1, "[tensorboard] expected .every of at least 1 step but got {}.", options_.every);
}

TensorBoard::~TensorBoard() = default;

void TensorBoard::restore(const TrainRun&, const Options&) { resumed_ = true; }

void TensorBoard::start(TrainRun& run) {
  std::error_code told_by_file;  // if the folder cannot be created, the file reports it
  fs::create_directories(folder_, told_by_file);
  file_ = std::make_unique<LineFile>(next_event_file(folder_), [this](std::string_view fault) { log_.line(fault); });
  // What an earlier process wrote of the steps up to here stays.
  const std::int64_t first = resumed_ ? run.trainer().step() + 1 : 0;
  head_ = event_records::version(now()) + event_records::start(now(), first);
  append("");
}

void TensorBoard::append(const std::string& record) {
  if (file_->append_bytes(head_ + record)) head_.clear();
}

void TensorBoard::after_step(TrainRun& run) {
  Trainer& trainer = run.trainer();
  if (!log_is_due(trainer, options_.every)) return;
  trainer.settle();
  append(event_records::scalars(now(), trainer.step(), scalars_of(trainer)));
  trainer.close_interval();
}

void TensorBoard::reported(const TrainRun& run, const std::string& name, double value) {
  if (!file_ || !std::isfinite(value)) return;
  append(event_records::scalars(now(), run.trainer().step(), std::vector<Scalar>{{name, value}}));
}

}  // namespace amnet
