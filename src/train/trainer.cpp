#include "first_lines.h"
#include "image_cache.h"
#include "train_step.h"

#include <amnet/data/face_list.h>
#include <amnet/data/loader.h>
#include <amnet/data/packed_faces.h>
#include <amnet/eval/embed.h>
#include <amnet/eval/pairs.h>
#include <amnet/eval/verification.h>
#include <amnet/io/checkpoint.h>
#include <amnet/io/durable_file.h>
#include <amnet/io/model_file.h>
#include <amnet/kernels/finite.h>
#include <amnet/train/device_forecast.h>
#include <amnet/train/run_log.h>
#include <amnet/train/train_report.h>
#include <amnet/train/train_state.h>
#include <amnet/train/trainer.h>

#include <fmt/format.h>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>

namespace amnet {
namespace {

namespace fs = std::filesystem;

double seconds_now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// "1.9 h", "12.5 min", "41 s"
std::string duration_text(double seconds) {
  if (seconds >= 3600) return fmt::format("{:.1f} h", seconds / 3600);
  if (seconds >= 60) return fmt::format("{:.1f} min", seconds / 60);
  return fmt::format("{:.0f} s", seconds);
}

FaceList read_training_list(const TrainOptions& options) {
  const ListOptions list_options{.classes = options.classes, .exclude = options.exclude};
  if (!options.pack.empty()) return list_packed(std::make_shared<PackedFaces>(options.pack), list_options);
  return options.train_list.empty() ? list_folder(options.root, list_options)
                                    : read_face_list(options.train_list, options.root, list_options);
}

// Changes when a path or a label of the training set does.
std::uint64_t fingerprint_of(const FaceList& list) {
  std::uint64_t hash = stream_of("training set");
  for (std::int64_t i = 0; i < list.size(); ++i) {
    hash = (hash ^ stream_of(list.path(i)) ^ static_cast<std::uint64_t>(list.label(i))) * 1099511628211ULL;
  }
  return hash;
}

enum class Wait : unsigned char { no, yes };

class Run {
 public:
  Run(Device& device, const TrainOptions& options, const TrainHooks& hooks)
      : options_(checked(options, device)),
        hooks_(hooks),
        list_(read_training_list(options)),
        steps_(total_steps(options, list_.size())),
        schedule_(schedule_of(options, steps_)),
        description_{.network = options.network, .input = options.input, .embedding = "fc5"},
        device_(device),
        net_(build_model(description_, activation_dtype(device))),
        labels_(net_.net.input("labels", {1}, DType::i64)),
        head_(add_head(net_.net, net_.embedding, labels_, head_options())),
        embedder_(description_, embedding_batch()),
        log_(options.out / "train.log", hooks.log) {
    state_.seed = options.seed;
    state_.images = list_.size();
    state_.classes = list_.classes();
    state_.data_fingerprint = fingerprint_of(list_);
    state_.batch = options.batch;
    state_.accumulate = options.accumulate;
    if (!options_.val_pairs.empty()) read_validation_pairs();
    if (on_gpu()) device_free_ = device_memory().free;
    net_.net.initialise(options.seed);
    net_.net.move_to(memory_of(device_));
    embedder_.share(net_.net);
    solver_.emplace(net_.net, options.solver);
  }

  TrainOutcome go() {
    const std::optional<FoundCheckpoint> resumed = open_directory();
    try {
      try {
        return train(resumed);
      } catch (const DeviceMemoryError& error) {
        throw batch_too_large(on_device(), options_.batch, error);
      }
    } catch (const Error& error) {
      log_.last_words(fmt::format("Ended by an error: {}", error.what()));
      throw;
    }
  }

 private:
  static const TrainOptions& checked(const TrainOptions& options, const Device& device) {
    check_options(options);
    // Beside a CPU's step decoding is nothing (docs/architecture.md, decision 34): there is nothing to win.
    require(options.cache == ImageCache::none || memory_of(device) == Memory::cuda,
            "--cache: device keeps the images in a GPU's memory but the run is on {}; pass --device cuda, or leave --cache out.",
            description_of(device));
    return options;
  }

  TrainOutcome train(const std::optional<FoundCheckpoint>& resumed) {
    plan();
    write_first_lines(resumed);
    open_tables();
    if (!fill_cache()) return finish(true);
    start_loader();
    train_started_ = seconds_now();
    bool stopped = resumed && finish_step();
    while (state_.step < steps_ && !stopped) stopped = one_step();
    return finish(stopped);
  }

  bool on_gpu() const { return memory_of(device_) == Memory::cuda; }

  HeadOptions head_options() const {
    HeadOptions head = options_.head;
    head.classes = list_.classes();
    return head;
  }

  void read_validation_pairs() {
    if (options_.val_pack.empty()) {
      pairs_ = read_pairs(options_.val_pairs, options_.val_root);
      val_images_ = image_folder(options_.val_root);
    } else {
      val_images_ = std::make_shared<PackedFaces>(options_.val_pack);
      pairs_ = read_pairs(options_.val_pairs, *val_images_);
    }
  }

  std::int64_t embedding_batch() const { return std::min<std::int64_t>(64, options_.batch); }

  // --- start -------------------------------------------------------------------------------------------------

  std::optional<FoundCheckpoint> open_directory() {
    clean_run_directory(options_.out);
    std::vector<std::string> notes;
    const std::optional<FoundCheckpoint> found = find_checkpoint(notes);
    probe_run_directory(options_.out, 2 * net_.net.parameter_bytes());
    if (found) {
      load_checkpoint(found->directory);
      log_.cut_after(state_.step);
      if (in_out(found->directory)) restore_pointers(found->directory);
    } else {
      log_.cut_after(0);
      if (!options_.init_from.empty()) start_from_model();
    }
    for (const std::string& note : notes) log_.line(note);
    return found;
  }

  bool in_out(const fs::path& checkpoint) const {
    return fs::weakly_canonical(checkpoint).parent_path() == fs::weakly_canonical(options_.out);
  }

  // The checkpoint to go on from; nothing for a new run.
  std::optional<FoundCheckpoint> find_checkpoint(std::vector<std::string>& notes) const {
    std::optional<FoundCheckpoint> newest;
    if (fs::exists(options_.out)) newest = newest_intact(options_.out, notes);
    if (options_.resume == "auto") return newest;
    const std::string out = options_.out.string();
    if (options_.resume.empty()) {
      require(!newest && notes.empty(), "--out: {} holds a run of {} steps already; add --resume auto to go on, or name another --out.",
              out, newest ? newest->step : 0);
      return std::nullopt;
    }
    const FoundCheckpoint named{options_.resume, verify_checkpoint(options_.resume)};
    // A later --resume auto would take the newest checkpoint of the directory, and so leave the branch that begins here.
    require(in_out(named.directory) ? !newest || newest->step <= named.step : !newest,
            "--resume: {} is of step {} but {} has a checkpoint of step {}; name another --out, or take --resume auto.",
            named.directory.string(), named.step, out, newest ? newest->step : 0);
    return named;
  }

  // A crash can come between the rename of a checkpoint and the links to it.
  void restore_pointers(const fs::path& checkpoint) {
    set_pointer(options_.out, "last", fs::weakly_canonical(checkpoint).filename().string());
    const std::string best = checkpoint_name(std::max<std::int64_t>(state_.best_step, 0));
    if (state_.best_step > 0 && fs::exists(options_.out / best)) set_pointer(options_.out, "best", best);
  }

  void load_checkpoint(const fs::path& directory) {
    const fs::path state_path = directory / "state.json";
    const TrainState stored = parse_state(read_file(state_path), state_path.string());
    check_resumable(stored, state_, state_path.string());
    state_ = stored;
    last_checkpoint_ = directory;
    const fs::path model_path = directory / "model.safetensors";
    const SafetensorsFile model = read_safetensors(model_path);
    check_same_model(description_of(model.metadata, model_path.string()), description_, model_path.string());
    load_tensors(net_.net, model, model_path.string());
    const fs::path solver_path = directory / "solver.safetensors";
    const SafetensorsFile solver = read_safetensors(solver_path);
    for (Solver::Momentum& momentum : solver_->state()) {
      const Tensor* stored_momentum = solver.find(momentum.name);
      require<DataError>(stored_momentum != nullptr && stored_momentum->shape() == momentum.value.shape(),
                         "{}: the momentum of '{}' is missing or has another shape.", solver_path.string(), momentum.name);
      momentum.value.copy_from(*stored_momentum);
    }
  }

  // A resumed run may have other settings; what changed should not go unnoticed.
  void log_changed_settings(const fs::path& checkpoint) {
    const fs::path stored = checkpoint / "config.toml";
    if (hooks_.config.empty() || !fs::exists(stored)) return;
    for (const std::string& change : changed_settings(read_file(stored), hooks_.config)) log_.line(change);
  }

  void start_from_model() {
    const fs::path path = model_file_of(options_.init_from);
    const std::vector<std::string> missing = load_known_tensors(net_.net, read_safetensors(path), path.string());
    log_.line(fmt::format("Started from {}; drawn anew: {}.", path.string(),
                          missing.empty() ? "nothing" : fmt::format("{}", fmt::join(missing, ", "))));
  }

  std::vector<Value> kept_values() const { return {net_.embedding, head_.loss, head_.accuracy}; }
  bool caches() const { return options_.cache == ImageCache::device; }

  // The run as the forecast of a GPU's memory sees it.
  DeviceRun on_device() {
    DeviceRun run{.net = net_.net, .loss = head_.loss, .keep = kept_values(), .device = device_, .format = options_.input};
    if (pairs_) {
      run.embedding = embedder_.measure(device_);
      run.embedding_batch = embedding_batch();
    }
    if (caches()) run.cached_images = list_.size();
    return run;
  }

  void plan() {
    if (on_gpu()) device_forecast_ = require_device_memory(on_device(), options_.batch, device_free_);
    net_.net.plan_training(options_.batch, head_.loss, kept_values());
    if (caches()) cached_images_ = Tensor({list_.size(), options_.input.height, options_.input.width, 3}, DType::u8, memory_of(device_));
    train_step_.emplace(device_,
                        TrainedNet{.net = net_.net,
                                   .images = net_.images,
                                   .labels = labels_,
                                   .embedding = net_.embedding,
                                   .head = head_,
                                   .format = options_.input,
                                   .cached_images = cached_images_},
                        *solver_);
  }

  MemoryForecast forecast() {
    MemoryForecast memory = forecast_memory(net_.net, device_, options_, loader_queue + 1);  // one batch is in use
    if (pairs_) {
      const std::size_t planned = embedder_.planned_bytes();  // now, and not when training has gone on for hours
      memory.verification = (on_gpu() ? 0 : planned) + verification_bytes(*pairs_, options_.network.embedding, options_.protocol);
    }
    return memory;
  }

  void write_first_lines(const std::optional<FoundCheckpoint>& resumed) {
    amnet::write_first_lines(log_, {.options = options_,
                                    .list = list_,
                                    .net = net_.net,
                                    .memory = forecast(),
                                    .steps = steps_,
                                    .device = device_,
                                    .device_forecast = device_forecast_,
                                    .device_free = device_free_});
    if (resumed) {
      log_.line(fmt::format("Resumed from {} at step {}", resumed->directory.string(), state_.step));
      log_changed_settings(resumed->directory);
    }
    if (!hooks_.config.empty()) write_durably(options_.out / "config.toml", hooks_.config);
  }

  void open_tables() {
    metrics_.emplace(options_.out / "metrics.csv", metrics_header, state_.step);
    validation_file_.emplace(options_.out / "validation.csv", validation_header, state_.verified_step);
  }

  BadImages bad_images() const { return options_.skip_bad_images ? BadImages::skip : BadImages::fail; }
  void tell_bad_image(const BadImage& bad) { log_.line(fmt::format("Skipped a bad image: {}", bad.reason)); }

  // Decodes the training set into the GPU's memory, where it is to lie there. False when a stop was asked for meanwhile.
  bool fill_cache() {
    if (!cached_images_.defined() || state_.step == steps_) return true;
    struct Interrupted : std::exception {};
    const double begin = seconds_now();
    const auto progress = [&](std::int64_t done) {
      const double left = (seconds_now() - begin) * static_cast<double>(list_.size() - done) / static_cast<double>(done);
      if (hooks_.progress) {
        hooks_.progress({.step = done, .steps = list_.size(), .seconds_left = left, .activity = "caching", .meters = {}});
      }
      if (poll() == TrainRequest::stop) throw Interrupted();
    };
    const ReadOptions reading{
        .format = options_.input, .workers = options_.workers, .bad_images = bad_images(), .on_bad_image = [this](const BadImage& bad) {
          tell_bad_image(bad);
        }};
    try {
      stand_ins_ = cache_images(list_, reading, cached_images_, progress);
    } catch (const Interrupted&) {
      if (last_checkpoint_.empty()) save(false);
      return false;
    }
    log_.line(fmt::format("Cached {} images in the GPU's memory in {}", list_.size(), duration_text(seconds_now() - begin)));
    return true;
  }

  void start_loader() {
    loader_.emplace(list_, LoaderOptions{.batch = options_.batch,
                                         .format = options_.input,
                                         .seed = options_.seed,
                                         .shuffle = true,
                                         .mirror = options_.mirror,
                                         .workers = options_.workers,
                                         .queue = loader_queue,
                                         .first_sample = state_.samples,
                                         .bad_images = bad_images(),
                                         .on_bad_image = [this](const BadImage& bad) { tell_bad_image(bad); },
                                         .stand_ins = stand_ins_});
  }

  // --- a step ------------------------------------------------------------------------------------------------

  // One update, and what is due after it. True when the run is to stop.
  bool one_step() {
    const double begin = seconds_now();
    const double rate = schedule_.at(state_.step);
    for (std::int64_t micro = 0; micro < options_.accumulate; ++micro) {
      train_step_->accumulate(next_batch(), here(), micro == 0 ? Write::assign : Write::add);
      state_.samples += options_.batch;
      take_results(Wait::no);
    }
    train_step_->update(rate, options_.accumulate);
    state_.step += 1;
    const bool log_due = state_.step % options_.log_every == 0 || state_.step == steps_;
    take_results(log_due ? Wait::yes : Wait::no);
    interval_seconds_ += seconds_now() - begin;
    training_seconds_ += seconds_now() - begin;
    steps_done_ += 1;
    report_progress("training");

    if (log_due) log_status(rate);
    const bool best = validation_due() && verify_now();
    poll();
    const bool last = state_.step == steps_;
    if (last || best || request_ != TrainRequest::none || state_.step % options_.checkpoint_every == 0) save(best);
    return request_ == TrainRequest::stop && (!last || validation_due());
  }

  // After a resume: the verification that a stop had cut short. True when the run is to stop again.
  bool finish_step() {
    if (!validation_due()) return false;
    const bool best = verify_now();
    if (!validation_due()) save(best);
    return poll() == TrainRequest::stop;
  }

  // Asks the outside; what was asked for stays until save() answers it, and a stop for good.
  TrainRequest poll() {
    if (hooks_.poll && request_ != TrainRequest::stop) {
      if (const TrainRequest asked = hooks_.poll(); asked != TrainRequest::none) request_ = asked;
    }
    return request_;
  }

  Batch next_batch() {
    const double begin = seconds_now();
    Batch batch = loader_->next();
    interval_wait_ += seconds_now() - begin;
    return batch;
  }

  Step here() const { return {.number = state_.step, .seed = options_.seed}; }

  // Adds up what steps have told; with Wait::yes of all that were begun.
  void take_results(Wait wait) {
    while (const std::optional<TrainStep::Done> done = train_step_->done(wait == Wait::yes)) {
      last_images_ = done->batch.indices;
      if (!std::isfinite(done->meters.loss)) {
        const std::string where = train_step_->first_non_finite(done->batch, {.number = done->step, .seed = options_.seed});
        stop_non_finite(done->step + 1, where.empty() ? "the loss" : where);
      }
      state_.meters.add(done->meters);
    }
  }

  // `step` counts from 1, as the log does.
  [[noreturn]] void stop_non_finite(std::int64_t step, const std::string& where) {
    nlohmann::json images = nlohmann::json::array();
    for (const std::int64_t index : last_images_) images.push_back({{"index", index}, {"image", list_.where(index)}});
    const fs::path dump = options_.out / "non_finite_batch.json";
    write_durably(dump, nlohmann::json{{"step", step}, {"first_non_finite", where}, {"images", images}}.dump(2) + "\n");
    throw NonFiniteError(
        fmt::format("Step {} is not finite, first of all in {}; lower --lr, add --warm-up, or look at the images of its batch in {}.", step,
                    where, dump.string()));
  }

  // --- after a step ------------------------------------------------------------------------------------------

  void report_progress(std::string activity) {
    if (!hooks_.progress) return;
    hooks_.progress({.step = state_.step,
                     .steps = steps_,
                     .seconds_left = seconds_left(),
                     .activity = std::move(activity),
                     .meters = state_.meters.count > 0 ? state_.meters.mean() : last_meters_});
  }

  double seconds_left() const {
    return steps_done_ == 0 ? 0 : training_seconds_ / static_cast<double>(steps_done_) * static_cast<double>(steps_ - state_.step);
  }

  void log_status(double rate) {
    const double samples = static_cast<double>(state_.meters.count * options_.batch);
    last_meters_ = state_.meters.mean();
    const MetricsRow row{.step = state_.step,
                         .epoch = static_cast<double>(state_.samples) / static_cast<double>(list_.size()),
                         .meters = last_meters_,
                         .learning_rate = rate,
                         .samples_per_second = interval_seconds_ > 0 ? samples / interval_seconds_ : 0,
                         .wait = interval_seconds_ > 0 ? interval_wait_ / interval_seconds_ : 0};
    metrics_->append(line_of(row));
    log_.line(
        fmt::format("Speed {:.1f} samples/sec  Loss {:.4f}  Accuracy {:.1f}%  TargetCosine {:.3f}  FeatureNorm {:.2f}  "
                    "LearningRate {:g}  Epoch {:.2f}  Step {}/{}  Wait {:.1f}%  Required {}",
                    row.samples_per_second, row.meters.loss, 100 * row.meters.accuracy, row.meters.target_cosine, row.meters.feature_norm,
                    rate, row.epoch, state_.step, steps_, 100 * row.wait, duration_text(seconds_left())));
    if (!told_refusal_ && !train_step_->refusal().empty()) {
      log_.line(fmt::format("Steps are launched kernel by kernel, which takes longer: {}", train_step_->refusal()));
      told_refusal_ = true;
    }
    state_.meters = {};
    interval_seconds_ = interval_wait_ = 0;
  }

  bool validation_due() const {
    if (!pairs_ || options_.val_every == 0 || state_.verified_step == state_.step) return false;
    if (state_.step == steps_) return true;
    const std::int64_t epoch = std::max<std::int64_t>(1, list_.size() / (options_.batch * options_.accumulate));
    return state_.step % (options_.val_every > 0 ? options_.val_every : epoch) == 0;
  }

  // The embeddings of the pairs; nothing when a stop was asked for meanwhile.
  std::optional<Views> embed_pairs() {
    struct Interrupted : std::exception {};
    const auto where = [this](std::size_t i) {
      return fmt::format("{}:{}: {}", options_.val_pairs.string(), pairs_->lines[i], (val_images_->place() / pairs_->images[i]).string());
    };
    const auto progress = [this](std::int64_t, std::int64_t) {
      report_progress("verifying");
      if (poll() == TrainRequest::stop) throw Interrupted();
    };
    try {
      return embedder_.embed(device_, {.images = val_images_,
                                       .paths = pairs_->images,
                                       .where = where,
                                       .skip_bad_images = options_.skip_bad_images,
                                       .progress = progress});
    } catch (const Interrupted&) {
      return std::nullopt;
    }
  }

  // True when this is the best so far. A stop cuts it short; the resumed run then begins with it.
  bool verify_now() {
    take_results(Wait::yes);
    const double begin = seconds_now();
    const std::optional<Views> views = embed_pairs();
    if (!views) return false;
    for (const std::string& reason : views->reasons) log_.line(fmt::format("Skipped a bad image: {}", reason));
    const Verification result = verify(*pairs_, views->plain, views->mirrored, {.protocol = options_.protocol, .failed = views->failed});
    state_.verified_step = state_.step;
    last_validation_ = ValidationRow{.step = state_.step,
                                     .accuracy_mean = result.accuracy_mean,
                                     .accuracy_std = result.accuracy_std,
                                     .tar_at_far_1 = result.accept_rates.at(0).tar,
                                     .tar_at_far_01 = result.accept_rates.at(1).tar};
    validation_file_->append(line_of(*last_validation_));
    const bool best = result.accuracy_mean > state_.best_accuracy;
    if (best) {
      state_.best_accuracy = result.accuracy_mean;
      state_.best_step = state_.step;
    }
    log_.line(fmt::format("[val][{}] Accuracy {:.2f}+-{:.2f}%  TAR@FAR=1e-2 {:.2f}%  TAR@FAR=1e-3 {:.2f}%  Best {:.2f}% @{}  failed {}  {}",
                          state_.step, result.accuracy_mean, result.accuracy_std, last_validation_->tar_at_far_1,
                          last_validation_->tar_at_far_01, state_.best_accuracy, state_.best_step, result.failed_images,
                          duration_text(seconds_now() - begin)));
    return best;
  }

  void save(bool best) {
    take_results(Wait::yes);
    require_finite_weights();
    report_progress("saving");
    std::vector<NamedTensor> momentum;
    for (const Solver::Momentum& one : solver_->state()) momentum.push_back({one.name, one.value.to(Memory::host)});
    Metadata metadata = metadata_of(description_);
    metadata["amnet.step"] = std::to_string(state_.step);
    std::vector<CheckpointFile> files = {{"model.safetensors", SafetensorsFile{.metadata = metadata, .tensors = tensors_of(net_.net)}},
                                         {"solver.safetensors", SafetensorsFile{.metadata = {}, .tensors = std::move(momentum)}},
                                         {"state.json", state_json(state_)}};
    if (!hooks_.config.empty()) files.push_back({"config.toml", hooks_.config});
    last_checkpoint_ = write_checkpoint(options_.out, state_.step, files);
    const std::string name = checkpoint_name(state_.step);
    set_pointer(options_.out, "last", name);
    if (best) set_pointer(options_.out, "best", name);
    keep_newest(options_.out, options_.keep_checkpoints);
    log_.line(fmt::format("saved {}", name));
    if (request_ == TrainRequest::snapshot) request_ = TrainRequest::none;
  }

  void require_finite_weights() {
    net_.net.visit([&](const std::string& name, Parameter& parameter) {
      const bool finite = on(device_, [&](auto& backend) { return all_finite(backend, parameter.value); });
      if (!finite) stop_non_finite(state_.step, name);
    });
  }

  TrainOutcome finish(bool stopped) {
    write_durably(options_.out / "report.html", train_report(options_.out, {.title = options_.out.filename().string()}));
    if (stopped) {
      log_.line(fmt::format("Stopped on request after step {} of {}; --resume auto goes on from here.", state_.step, steps_));
    } else if (steps_done_ == 0) {
      log_.line(fmt::format("Nothing to do: the run is at step {} of {}.", state_.step, steps_));
    } else {
      log_.line(fmt::format("Finished {} steps in {}.", steps_, duration_text(seconds_now() - train_started_)));
    }
    return {.step = state_.step,
            .steps = steps_,
            .stopped = stopped,
            .meters = last_meters_,
            .validation = last_validation_,
            .checkpoint = last_checkpoint_};
  }

  static constexpr int loader_queue = 4;  // batches decoded ahead

  TrainOptions options_;
  TrainHooks hooks_;
  FaceList list_;
  std::int64_t steps_;
  Schedule schedule_;
  ModelDescription description_;
  Device& device_;
  BuiltModel net_;
  Value labels_;
  Head head_;
  Embedder embedder_;
  RunLog log_;
  std::optional<Solver> solver_;
  std::optional<Pairs> pairs_;
  std::shared_ptr<const ImageSource> val_images_;  // of the pairs
  TrainState state_;
  TrainRequest request_ = TrainRequest::none;
  std::size_t device_free_ = 0;  // of a GPU, before this run took any
  std::optional<DeviceForecast> device_forecast_;
  Tensor cached_images_;                                        // u8 (images,H,W,3), on a GPU that holds them
  std::shared_ptr<const std::vector<std::int64_t>> stand_ins_;  // for those that are bad
  std::optional<TrainStep> train_step_;
  bool told_refusal_ = false;
  std::vector<std::int64_t> last_images_;  // of the last micro-batch that has told its loss
  std::optional<MetricsFile> metrics_, validation_file_;
  std::optional<Loader> loader_;

  double train_started_ = 0;
  double training_seconds_ = 0;  // steps of this process, without verification and saving
  std::int64_t steps_done_ = 0;  // by this process
  double interval_seconds_ = 0;  // since the last line of the log
  double interval_wait_ = 0;
  Meters last_meters_;
  std::optional<ValidationRow> last_validation_;
  fs::path last_checkpoint_;
};

}  // namespace

TrainOutcome train(Device& device, const TrainOptions& options, const TrainHooks& hooks) { return Run(device, options, hooks).go(); }

}  // namespace amnet
