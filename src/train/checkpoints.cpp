#include <amnet/core/text.h>
#include <amnet/io/durable_file.h>
#include <amnet/model/model_file.h>
#include <amnet/train/checkpoints.h>

#include <fmt/format.h>

#include "io/json.h"
#include "same_model.h"

#include <limits>
#include <utility>

namespace amnet {

namespace fs = std::filesystem;

Checkpoints::Checkpoints(fs::path folder, RunLog& log, CheckpointsOptions options)
    : folder_(std::move(folder)), log_(log), options_(std::move(options)) {
  require(options_.every >= 1, "[checkpoints] expected .every of at least 1 step but got {}.", options_.every);
  require(options_.keep >= 1, "[checkpoints] expected .keep of at least 1 checkpoint but got {}.", options_.keep);
  if (!options_.lock) options_.lock = std::make_shared<FolderLock>(folder_);
}

void Checkpoints::open(TrainRun& run) {
  const FolderLock& lock = *options_.lock;
  clean_run_directory(folder_, lock.held());
  std::vector<std::string> notes;
  resumed_ = find(notes);
  const std::vector<std::string> lacks =
      probe_run_directory(folder_, (1 + static_cast<std::uint64_t>(moments_of(run.trainer().options().solver.method))) *
                                       run.trainer().model().net.parameter_bytes());
  if (resumed_) load(run, resumed_->directory, notes);
  log_.cut_after(run.trainer().step());
  for (const std::string& note : notes) log_.line(note);
  if (!lock.held()) log_.line(lock.missing());
  if (!lacks.empty()) {
    log_.line(fmt::format("The file system of {} lacks what a run can do without: {}.", folder_.string(), joined(lacks, "; ")));
  }
  if (resumed_) log_.line(fmt::format("Resumed from {} at step {}", resumed_->directory.string(), run.trainer().step()));
  opened_ = true;
}

// The checkpoint to resume from; nothing for a new run.
std::optional<FoundCheckpoint> Checkpoints::find(std::vector<std::string>& notes) const {
  std::optional<FoundCheckpoint> newest = newest_intact(folder_, notes);
  if (options_.resume == "auto") return newest;
  if (options_.resume.empty()) {
    require(!newest && notes.empty(), ".out: {} holds a run of {} steps already; add .resume auto to go on, or name another .out.",
            folder_.string(), newest ? newest->step : 0);
    return std::nullopt;
  }
  const fs::path directory = through_pointers(options_.resume);
  const FoundCheckpoint named{directory, verify_checkpoint(directory)};
  // A later .resume auto would take the newest checkpoint of the folder, and so leave the branch
  // that begins here.
  require(in_folder(named.directory) ? !newest || newest->step <= named.step : !newest,
          ".resume: {} is of step {} but {} has a checkpoint of step {}; name another .out, or take .resume auto.",
          named.directory.string(), named.step, folder_.string(), newest ? newest->step : 0);
  return named;
}

bool Checkpoints::in_folder(const fs::path& checkpoint) const {
  return fs::weakly_canonical(checkpoint).parent_path() == fs::weakly_canonical(folder_);
}

void Checkpoints::load(TrainRun& run, const fs::path& checkpoint, std::vector<std::string>& notes) {
  for (const KeptText& text : options_.texts) {
    std::error_code unreadable;
    const fs::path stored = checkpoint / text.name;
    if (text.must_stay.empty() || !fs::exists(stored, unreadable)) continue;
    require(read_file(stored, std::numeric_limits<std::size_t>::max()) == text.content, "{}: {}", stored.string(), text.must_stay);
  }
  const fs::path state = checkpoint / "state.json";
  run.restore(read_file(state), state.string());
  load_tensors_of(run.trainer(), checkpoint, notes);
  stored_ = run.state();
  last_ = checkpoint;
  if (!in_folder(checkpoint)) return;
  // A crash can come between the rename of a checkpoint and the pointers to it.
  point("last", run.trainer().step());
  std::error_code unreadable;
  if (run.best_step() > 0 && fs::exists(folder_ / checkpoint_name(run.best_step()), unreadable)) point("best", run.best_step());
}

void Checkpoints::load_tensors_of(Trainer& trainer, const fs::path& checkpoint, std::vector<std::string>& notes) {
  const fs::path model_path = checkpoint / "model.safetensors", solver_path = checkpoint / "solver.safetensors";
  Model& model = trainer.model();
  const SafetensorsFile stored_model = read_safetensors(model_path);
  require_same_model(stored_model, model, model_path.string());
  load_tensors(model.net, stored_model, model_path.string());
  const SafetensorsFile momenta = read_safetensors(solver_path);
  // the files are whole, and the net is the same: these were frozen
  std::vector<std::string> without;
  for (Solver::Momentum& momentum : trainer.solver().state()) {
    const Tensor* stored = momenta.find(momentum.name);
    if (stored == nullptr) {
      without.push_back(momentum.name);
      continue;
    }
    require<DataError>(stored->shape() == momentum.value.shape(), "{}: the momentum of '{}' is {} but this network needs {}.",
                       solver_path.string(), momentum.name, stored->shape(), momentum.value.shape());
    momentum.value.copy_from(*stored);
  }
  if (!without.empty()) notes.push_back(fmt::format("Frozen until now, so that its momentum starts at zero: {}", joined(without, ", ")));
}

// Saves the work that was interrupted and is done now: the state then differs from that of the
// checkpoint.
void Checkpoints::catch_up(TrainRun& run) {
  if (stored_ != run.state()) save(run);
}

void Checkpoints::after_step(TrainRun& run) {
  const Trainer& trainer = run.trainer();
  const bool due = trainer.is_last() || trainer.step() % options_.every == 0;
  if (run.poll() != TrainRequest::none || due) save(run);
}

void Checkpoints::finish(TrainRun& run, bool stopped) {
  if (!stopped) return;
  if (!holds(run)) save(run);
  log_.line(fmt::format("{} is whole; .resume auto goes on from here.", checkpoint_name(run.trainer().step())));
}

void Checkpoints::save(TrainRun& run) {
  Trainer& trainer = run.trainer();
  trainer.settle();
  trainer.require_finite();
  run.show("saving");
  std::vector<NamedTensor> momenta;
  for (const Solver::Momentum& one : trainer.solver().state()) momenta.push_back({one.name, one.value.to(Memory::host)});
  const Model& model = trainer.model();
  const std::string state = run.state();
  std::vector<CheckpointFile> files = {
      {"model.safetensors", model_content(model.net, model.roles, {{"amnet.step", std::to_string(trainer.step())}})},
      {"solver.safetensors", SafetensorsFile{.metadata = {}, .tensors = std::move(momenta)}},
      {"state.json", state}};
  for (const KeptText& text : options_.texts) files.push_back({text.name, text.content});
  last_ = write_checkpoint(folder_, trainer.step(), files);
  stored_ = state;
  point("last", trainer.step());
  if (run.best_step() == trainer.step()) point("best", trainer.step());
  std::vector<std::string> protect;  // also where nothing points to it
  if (run.best_step() > 0) protect.push_back(checkpoint_name(run.best_step()));
  keep_newest(folder_, options_.keep, protect);
  log_.line(fmt::format("saved {}", checkpoint_name(trainer.step())));
  run.answer_snapshot();
}

// Whether the last one is of this state, and .resume auto finds it.
bool Checkpoints::holds(const TrainRun& run) const { return stored_ == run.state() && in_folder(last_); }

// The checkpoint is complete without it: an obstacle to a pointer is logged, and the run continues.
void Checkpoints::point(std::string_view pointer, std::int64_t step) {
  try {
    set_pointer(folder_, pointer, checkpoint_name(step));
  } catch (const FileError& error) {
    if (!std::exchange(told_pointer_, true)) {
      log_.line(fmt::format("{} was saved, but `{}` does not point to it: {}", checkpoint_name(step), pointer, error.what()));
    }
  }
}

void Checkpoints::fail(TrainRun& run, const std::exception& error) noexcept {
  Trainer& trainer = run.trainer();
  if (!opened_ || trainer.step() == 0 || dynamic_cast<const NonFiniteError*>(&error) != nullptr) return;
  try {
    const bool trusted = trainer.whole() && dynamic_cast<const DeviceError*>(&error) == nullptr;
    try {
      if (trusted && !holds(run)) save(run);
    } catch (const std::exception& second) {
      log_.line(fmt::format("The state after step {} could not be saved: {}", trainer.step(), second.what()));
    }
    const std::string last = last_.string();
    log_.line(holds(run) ? fmt::format("The state after step {} is saved in {}; once the cause is mended, .resume auto goes on from there.",
                                       trainer.step(), last)
                         : fmt::format("The state after step {} is not saved{}.", trainer.step(),
                                       last.empty() ? "" : fmt::format("; .resume auto goes on from {}", last)));
  } catch (const std::exception&) {
    return;  // a log that cannot be written is not the error that ends the run
  }
}

std::string Checkpoints::keep_bad_batch(TrainRun& run, const NonFiniteStep& error) {
  Json images = Json::array();
  for (const std::int64_t sample : error.batch.samples) {
    images.push_back(json_object({{"image", run.trainer().source().where(sample)}, {"index", sample}}));
  }
  const fs::path path = folder_ / "non_finite_batch.json";
  try {
    write_durably(path, json_text(json_object({{"first_non_finite", error.where}, {"images", std::move(images)}, {"step", error.step}})));
  } catch (const FileError& second) {
    return fmt::format("which could not be told ({})", second.what());
  }
  return fmt::format("which are in {}", path.string());
}

}  // namespace amnet
