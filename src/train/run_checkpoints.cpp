#include "run_checkpoints.h"

#include <amnet/io/durable_file.h>

#include <fmt/format.h>
#include <algorithm>
#include <utility>

namespace amnet {

namespace fs = std::filesystem;

std::optional<FoundCheckpoint> RunCheckpoints::open(TrainState& state, RunLog& log) {
  clean_run_directory(options_.out);
  std::vector<std::string> notes;
  const std::optional<FoundCheckpoint> found = find(notes);
  probe_run_directory(options_.out, 2 * net_.parameter_bytes());
  if (found) {
    load(found->directory, state);
    log.cut_after(state.step);
    if (in_out(found->directory)) restore_pointers(found->directory, state);
  } else {
    log.cut_after(0);
    if (!options_.init_from.empty()) start_from_model(log);
  }
  for (const std::string& note : notes) log.line(note);
  return found;
}

void RunCheckpoints::tell_changes(const FoundCheckpoint& checkpoint, RunLog& log) const {
  const fs::path stored = checkpoint.directory / "config.toml";
  std::error_code unreadable;
  if (config_.empty() || !fs::exists(stored, unreadable)) return;
  for (const std::string& change : changed_settings(read_file(stored), config_)) log.line(change);
}

void RunCheckpoints::save(const TrainState& state, RunLog& log) {
  std::vector<NamedTensor> momentum;
  for (const Solver::Momentum& one : solver_.state()) momentum.push_back({one.name, one.value.to(Memory::host)});
  Metadata metadata = metadata_of(description_);
  metadata["amnet.step"] = std::to_string(state.step);
  std::vector<CheckpointFile> files = {{"model.safetensors", SafetensorsFile{.metadata = metadata, .tensors = tensors_of(net_)}},
                                       {"solver.safetensors", SafetensorsFile{.metadata = {}, .tensors = std::move(momentum)}},
                                       {"state.json", state_json(state)}};
  if (!config_.empty()) files.push_back({"config.toml", config_});
  last_ = write_checkpoint(options_.out, state.step, files);
  stored_ = state;
  const std::string name = checkpoint_name(state.step);
  set_pointer(options_.out, "last", name);
  if (state.best_step == state.step) set_pointer(options_.out, "best", name);
  keep_newest(options_.out, options_.keep_checkpoints);
  log.line(fmt::format("saved {}", name));
}

// The checkpoint to go on from; nothing for a new run.
std::optional<FoundCheckpoint> RunCheckpoints::find(std::vector<std::string>& notes) const {
  std::optional<FoundCheckpoint> newest;
  if (fs::exists(options_.out)) newest = newest_intact(options_.out, notes);
  if (options_.resume == "auto") return newest;
  const std::string out = options_.out.string();
  if (options_.resume.empty()) {
    require(!newest && notes.empty(), "--out: {} holds a run of {} steps already; add --resume auto to go on, or name another --out.", out,
            newest ? newest->step : 0);
    return std::nullopt;
  }
  const FoundCheckpoint named{options_.resume, verify_checkpoint(options_.resume)};
  // A later --resume auto would take the newest checkpoint of the directory, and so leave the branch that begins here.
  require(in_out(named.directory) ? !newest || newest->step <= named.step : !newest,
          "--resume: {} is of step {} but {} has a checkpoint of step {}; name another --out, or take --resume auto.",
          named.directory.string(), named.step, out, newest ? newest->step : 0);
  return named;
}

bool RunCheckpoints::in_out(const fs::path& checkpoint) const {
  return fs::weakly_canonical(checkpoint).parent_path() == fs::weakly_canonical(options_.out);
}

void RunCheckpoints::load(const fs::path& directory, TrainState& state) {
  const fs::path state_path = directory / "state.json";
  const TrainState stored = parse_state(read_file(state_path), state_path.string());
  check_resumable(stored, state, state_path.string());
  state = stored;
  stored_ = stored;
  last_ = directory;
  const fs::path model_path = directory / "model.safetensors";
  const SafetensorsFile model = read_safetensors(model_path);
  check_same_model(description_of(model.metadata, model_path.string()), description_, model_path.string());
  load_tensors(net_, model, model_path.string());
  const fs::path solver_path = directory / "solver.safetensors";
  const SafetensorsFile solver = read_safetensors(solver_path);
  for (Solver::Momentum& momentum : solver_.state()) {
    const Tensor* stored_momentum = solver.find(momentum.name);
    require<DataError>(stored_momentum != nullptr && stored_momentum->shape() == momentum.value.shape(),
                       "{}: the momentum of '{}' is missing or has another shape.", solver_path.string(), momentum.name);
    momentum.value.copy_from(*stored_momentum);
  }
}

// A crash can come between the rename of a checkpoint and the links to it.
void RunCheckpoints::restore_pointers(const fs::path& checkpoint, const TrainState& state) const {
  set_pointer(options_.out, "last", fs::weakly_canonical(checkpoint).filename().string());
  const std::string best = checkpoint_name(std::max<std::int64_t>(state.best_step, 0));
  if (state.best_step > 0 && fs::exists(options_.out / best)) set_pointer(options_.out, "best", best);
}

void RunCheckpoints::start_from_model(RunLog& log) {
  const fs::path path = model_file_of(options_.init_from);
  const std::vector<std::string> missing = load_known_tensors(net_, read_safetensors(path), path.string());
  log.line(fmt::format("Started from {}; drawn anew: {}.", path.string(),
                       missing.empty() ? "nothing" : fmt::format("{}", fmt::join(missing, ", "))));
}

}  // namespace amnet
