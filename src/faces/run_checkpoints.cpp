#include "run_checkpoints.h"

#include <amnet/io/durable_file.h>

#include <fmt/format.h>
#include <algorithm>
#include <limits>
#include <utility>

namespace amnet {

namespace fs = std::filesystem;

std::optional<FoundCheckpoint> RunCheckpoints::open(TrainState& state, RunLog& log, const FolderLock& lock) {
  clean_run_directory(options_.out, lock.held());
  std::vector<std::string> notes;
  const std::optional<FoundCheckpoint> found = find(notes);
  const std::vector<std::string> lacks = probe_run_directory(options_.out, 2 * net_.parameter_bytes());
  if (found) {
    load(found->directory, state);
    log.cut_after(state.step);
    if (in_out(found->directory)) restore_pointers(*found, state, log);
  } else {
    log.cut_after(0);
    if (!options_.init_from.empty()) start_from_model(log);
  }
  for (const std::string& note : notes) log.line(note);
  if (!lock.held()) log.line(lock.missing());
  if (!lacks.empty()) {
    log.line(fmt::format("The file system of {} lacks what a run can do without: {}.", options_.out.string(), fmt::join(lacks, "; ")));
  }
  return found;
}

void RunCheckpoints::tell_changes(const FoundCheckpoint& checkpoint, RunLog& log) const {
  const fs::path stored = checkpoint.directory / "config.toml";
  std::error_code unreadable;
  if (texts_.config.empty() || !fs::exists(stored, unreadable)) return;
  for (const std::string& change : changed_settings(read_file(stored), texts_.config)) log.line(change);
}

void RunCheckpoints::save(const TrainState& state, RunLog& log) {
  std::vector<NamedTensor> momentum;
  for (const Solver::Momentum& one : solver_.state()) momentum.push_back({one.name, one.value.to(Memory::host)});
  Metadata metadata = metadata_of(description_);
  metadata["amnet.step"] = std::to_string(state.step);
  std::vector<CheckpointFile> files = {{"model.safetensors", SafetensorsFile{.metadata = metadata, .tensors = tensors_of(net_)}},
                                       {"solver.safetensors", SafetensorsFile{.metadata = {}, .tensors = std::move(momentum)}},
                                       {"state.json", state_json(state)}};
  if (!texts_.config.empty()) files.push_back({"config.toml", texts_.config});
  if (!texts_.labels.empty()) files.push_back({"labels.csv", texts_.labels});
  last_ = write_checkpoint(options_.out, state.step, files);
  stored_ = state;
  const std::string name = checkpoint_name(state.step);
  point("last", state.step, log);
  if (state.best_step == state.step) point("best", state.step, log);
  std::vector<std::string> protect;  // also where nothing points to it
  if (state.best_step > 0) protect.push_back(checkpoint_name(state.best_step));
  keep_newest(options_.out, options_.keep_checkpoints, protect);
  log.line(fmt::format("saved {}", name));
}

// The checkpoint to go on from; nothing for a new run.
std::optional<FoundCheckpoint> RunCheckpoints::find(std::vector<std::string>& notes) const {
  std::optional<FoundCheckpoint> newest = newest_intact(options_.out, notes);
  if (options_.resume == "auto") return newest;
  const std::string out = options_.out.string();
  if (options_.resume.empty()) {
    require(!newest && notes.empty(), "--out: {} holds a run of {} steps already; add --resume auto to go on, or name another --out.", out,
            newest ? newest->step : 0);
    return std::nullopt;
  }
  const fs::path directory = through_pointers(options_.resume);
  const FoundCheckpoint named{directory, verify_checkpoint(directory)};
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
  check_labels(directory);
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
    require<DataError>(stored_momentum != nullptr, "{}: the momentum of '{}' is missing; resume from another checkpoint.",
                       solver_path.string(), momentum.name);
    require<DataError>(stored_momentum->shape() == momentum.value.shape(), "{}: the momentum of '{}' is {} but this network needs {}.",
                       solver_path.string(), momentum.name, stored_momentum->shape(), momentum.value.shape());
    momentum.value.copy_from(*stored_momentum);
  }
}

// The same people in the same order, but with labels that mean others.
void RunCheckpoints::check_labels(const fs::path& directory) const {
  const fs::path stored = directory / "labels.csv";
  std::error_code unreadable;
  if (texts_.labels.empty() || !fs::exists(stored, unreadable)) return;
  require(read_file(stored, std::numeric_limits<std::size_t>::max()) == texts_.labels,
          "{}: the training list has other labels than when the run was started; restore it or start a new --out.", stored.string());
}

// The checkpoint is whole without it: what is in the way of a pointer is told, and the run goes on.
void RunCheckpoints::point(std::string_view pointer, std::int64_t step, RunLog& log) {
  try {
    set_pointer(options_.out, pointer, checkpoint_name(step));
  } catch (const FileError& error) {
    if (!std::exchange(told_pointer_, true)) {
      log.line(fmt::format("{} was saved, but `{}` does not point to it: {}", checkpoint_name(step), pointer, error.what()));
    }
  }
}

// A crash can come between the rename of a checkpoint and the pointers to it.
void RunCheckpoints::restore_pointers(const FoundCheckpoint& checkpoint, const TrainState& state, RunLog& log) {
  point("last", checkpoint.step, log);
  std::error_code unreadable;
  if (state.best_step > 0 && fs::exists(options_.out / checkpoint_name(state.best_step), unreadable)) point("best", state.best_step, log);
}

void RunCheckpoints::start_from_model(RunLog& log) {
  const std::string path = model_file_of(options_.init_from).string();
  const SafetensorsFile file = read_safetensors(path);
  if (const std::optional<ImageFormat> expected = expected_input(file, path)) {
    require(
        size_text(*expected) == size_text(options_.input),
        "--init-from: {} was trained on images of {} but this run takes {}, and the shape of its layer {} depends on that; pass --input {} "
        "with faces of that size, or leave --init-from out.",
        path, size_text(*expected), size_text(options_.input), description_.embedding, size_text(*expected));
  }
  const std::vector<std::string> missing = load_known_tensors(net_, file, path);
  std::int64_t all = 0;
  std::string other_shapes;
  net_.visit([&](const std::string& name, Parameter& parameter) {
    all += 1;
    const Tensor* stored = std::ranges::count(missing, name) > 0 ? file.find(name) : nullptr;
    if (stored != nullptr) other_shapes += fmt::format("; {} is {} there and {} here", name, stored->shape(), parameter.value.shape());
  });
  log.line(fmt::format("Started from {}; drawn anew: {}. Taken: {} of {} tensors{}.", path,
                       missing.empty() ? "nothing" : fmt::format("{}", fmt::join(missing, ", ")), all - std::ssize(missing), all,
                       other_shapes));
}

}  // namespace amnet
