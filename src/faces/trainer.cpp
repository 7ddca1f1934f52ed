#include "first_lines.h"
#include "image_cache.h"
#include "run_checkpoints.h"
#include "train/duration.h"
#include "train/step_clock.h"
#include "train_step.h"
#include "training_set.h"
#include "validation.h"

#include <amnet/core/text.h>
#include <amnet/faces/device_forecast.h>
#include <amnet/faces/loader.h>
#include <amnet/faces/train_report.h>
#include <amnet/faces/train_state.h>
#include <amnet/faces/trainer.h>
#include <amnet/io/durable_file.h>
#include <amnet/kernels/finite.h>
#include <amnet/train/run_log.h>

#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <exception>
#include <nlohmann/json.hpp>

namespace amnet {
namespace {

namespace fs = std::filesystem;

enum class Wait : unsigned char { no, yes };

class Run {
 public:
  Run(Device& device, const TrainOptions& options, const TrainHooks& hooks)
      : options_(checked(options, device)),
        hooks_(hooks),
        list_(read_training_set(options)),
        steps_(total_steps(options, list_.size())),
        schedule_(schedule_of(options, steps_)),
        health_watch_({.classes = list_.classes(), .epoch = steps_of_epoch(options, list_.size()), .warm_up = options.warm_up}),
        description_{.network = options.network, .input = options.input, .embedding = "fc5"},
        device_(device),
        net_(build_model(description_, activation_dtype(device))),
        labels_(net_.net.input("labels", {1}, DType::i64)),
        head_(add_head(net_.net, net_.embedding, labels_, head_options())),
        lock_(hooks.lock ? hooks.lock : std::make_shared<FolderLock>(options.out)),
        log_(options.out / "train.log", hooks.log) {
    state_.seed = options.seed;
    state_.images = list_.size();
    state_.classes = list_.classes();
    state_.data_fingerprint = fingerprint_of(list_);
    state_.batch = options.batch;
    state_.accumulate = options.accumulate;
    if (on_gpu()) device_free_ = device_memory().free;
    net_.net.initialise(options.seed);
    net_.net.move_to(memory_of(device_));
    if (!options_.val_pairs.empty()) validation_.emplace(options_, description_, net_.net);
    solver_.emplace(net_.net, options.solver);
    checkpoints_.emplace(options_, RunCheckpoints::Texts{hooks.config, label_table(list_)}, description_, net_.net, *solver_);
  }

  TrainOutcome go() {
    const std::optional<FoundCheckpoint> resumed = checkpoints_->open(state_, log_, *lock_);
    try {
      return train_and_keep(resumed);
    } catch (const std::exception& error) {
      log_.last_words(fmt::format("Ended by an error: {}", error.what()));
      throw;
    }
  }

 private:
  static const TrainOptions& checked(const TrainOptions& options, const Device& device) {
    check_options(options);
    // Beside a CPU's step decoding is nothing (docs/architecture.md, decision 35): there is nothing to win.
    require(options.cache == ImageCache::none || memory_of(device) == Memory::cuda,
            "--cache: device keeps the images in a GPU's memory but the run is on {}; pass --device cuda, or leave --cache out.",
            description_of(device));
    return options;
  }

  // An error does not cost the steps since the last checkpoint.
  TrainOutcome train_and_keep(const std::optional<FoundCheckpoint>& resumed) {
    try {
      return train(resumed);
    } catch (const DeviceMemoryError& error) {
      keep_state(error);
      throw batch_too_large(on_device(), options_.batch, error);
    } catch (const std::exception& error) {
      keep_state(error);
      throw;
    }
  }

  TrainOutcome train(const std::optional<FoundCheckpoint>& resumed) {
    plan();
    write_first_lines(resumed);
    open_tables();
    if (!check_verification() || !fill_cache()) return finish(true);
    start_loader();
    since_start_ = {};
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

  // --- start -------------------------------------------------------------------------------------------------

  std::vector<Value> kept_values() const { return {net_.embedding, head_.loss, head_.accuracy}; }
  bool caches() const { return options_.cache == ImageCache::device; }

  // The run as the forecast of a GPU's memory sees it.
  DeviceRun on_device() {
    DeviceRun run{.net = net_.net, .loss = head_.loss, .keep = kept_values(), .device = device_, .format = options_.input};
    if (validation_) {
      run.embedding = validation_->measure(device_);
      run.embedding_batch = validation_->batch();
    }
    if (caches()) run.cached_images = list_.size();
    return run;
  }

  void plan() {
    if (on_gpu()) device_forecast_ = require_device_memory(on_device(), options_.batch, device_free_);
    plan_.emplace(net_.net, PlanOptions{.batch = options_.batch, .loss = head_.loss, .keep = kept_values()});
    if (caches()) cached_images_ = Tensor({list_.size(), options_.input.height, options_.input.width, 3}, DType::u8, memory_of(device_));
    train_step_.emplace(device_,
                        TrainedNet{.net = net_.net,
                                   .plan = *plan_,
                                   .images = net_.images,
                                   .labels = labels_,
                                   .embedding = net_.embedding,
                                   .head = head_,
                                   .format = options_.input,
                                   .cached_images = cached_images_},
                        *solver_);
  }

  MemoryForecast forecast() {
    MemoryForecast memory = forecast_memory(net_.net, *plan_, device_, options_, loader_queue() + options_.accumulate);
    memory.list = list_bytes(list_, options_);
    memory.report = report_bytes(steps_ / options_.log_every);
    if (validation_) memory.verification = validation_->plan(device_);  // now, and not when training has gone on for hours
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
    for (const std::string& note : hooks_.notes) log_.line(note);
    if (resumed) {
      log_.line(fmt::format("Resumed from {} at step {}", resumed->directory.string(), state_.step));
      checkpoints_->tell_changes(*resumed, log_);
    }
    if (!hooks_.config.empty()) write_durably(options_.out / "config.toml", hooks_.config);
    if (const std::string labels = label_table(list_); !labels.empty()) {
      write_durably(options_.out / "labels.csv", labels);
      log_.line(fmt::format("The labels {} to {} of the list are 0 to {} here; labels.csv has them all", list_.old_labels().front(),
                            list_.old_labels().back(), list_.old_labels().size() - 1));
    }
  }

  void open_tables() {
    const auto on_fault = [this](std::string_view fault) { log_.line(fault); };
    metrics_.emplace(options_.out / "metrics.csv", metrics_header, state_.step, on_fault);
    validation_file_.emplace(options_.out / "validation.csv", validation_header, state_.verified_step, on_fault);
    // What was told last stays so until there is something newer.
    if (const std::vector<MetricsRow> rows = read_metrics(options_.out / "metrics.csv"); !rows.empty()) last_meters_ = rows.back().meters;
    const std::vector<ValidationRow> verified = read_validation(options_.out / "validation.csv");
    if (!verified.empty()) last_validation_ = verified.back();
  }

  BadImages bad_images() const { return options_.skip_bad_images ? BadImages::skip : BadImages::fail; }
  void tell_bad_image(const BadImage& bad) { log_.line(fmt::format("Skipped a bad image: {}", bad.reason)); }

  // Work on images before the first step, done image by image; false when a stop was asked for meanwhile, which costs the work but no step.
  template <class Work>
  bool prepare(std::string_view activity, std::int64_t images, Work&& work) {
    struct Interrupted : std::exception {};
    const Stopwatch taken;
    const auto progress = [&](std::int64_t done) {
      const double left = taken.seconds() * static_cast<double>(images - done) / static_cast<double>(done);
      if (hooks_.progress) {
        hooks_.progress({.step = done, .steps = images, .seconds_left = left, .activity = std::string(activity), .meters = {}});
      }
      if (poll() == TrainRequest::stop) throw Interrupted();
    };
    try {
      work(progress);
      return true;
    } catch (const Interrupted&) {
      return false;
    }
  }

  // A picture of the verification that cannot be used ends the run now, and not when it has gone on for hours.
  bool check_verification() {
    if (!validation_ || !validation_->to_come(state_, steps_)) return true;
    return prepare("checking", validation_->images(), [this](const auto& progress) { validation_->check(log_, progress); });
  }

  // Decodes the training set into the GPU's memory, where it is to lie there.
  bool fill_cache() {
    if (!cached_images_.defined() || state_.step == steps_) return true;
    const Stopwatch taken;
    const ReadOptions reading{
        .format = options_.input, .workers = options_.workers, .bad_images = bad_images(), .on_bad_image = [this](const BadImage& bad) {
          tell_bad_image(bad);
        }};
    const bool filled = prepare("caching", list_.size(),
                                [&](const auto& progress) { stand_ins_ = cache_images(list_, reading, cached_images_, progress); });
    if (filled) log_.line(fmt::format("Cached {} images in the GPU's memory in {}", list_.size(), duration_text(taken.seconds())));
    return filled;
  }

  void start_loader() {
    loader_.emplace(list_, LoaderOptions{.batch = options_.batch,
                                         .format = options_.input,
                                         .seed = options_.seed,
                                         .shuffle = true,
                                         .mirror = options_.mirror,
                                         .workers = options_.workers,
                                         .queue = loader_queue(),
                                         .first_sample = state_.samples,
                                         .bad_images = bad_images(),
                                         .on_bad_image = [this](const BadImage& bad) { tell_bad_image(bad); },
                                         .stand_ins = stand_ins_});
  }

  // --- a step ------------------------------------------------------------------------------------------------

  // One update, and what is due after it. True when the run is to stop.
  bool one_step() {
    const Stopwatch taken;
    std::vector<Batch> batches = next_batches();
    const double rate = schedule_.at(state_.step);
    update(std::move(batches), rate);
    take_results(log_due() ? Wait::yes : Wait::no);
    clock_.add_step(taken.seconds());
    report_progress("training");

    if (log_due()) {
      log_status(rate);
      watch_health();
    }
    const bool best = validation_due() && verify_now();
    poll();
    const bool last = state_.step == steps_;
    if (last || best || request_ != TrainRequest::none || state_.step % options_.checkpoint_every == 0) save();
    return request_ == TrainRequest::stop && (!last || validation_due());
  }

  // All of a step's micro-batches, before the first of them changes anything: a picture that cannot be used leaves a whole step behind.
  std::vector<Batch> next_batches() {
    const Stopwatch taken;
    std::vector<Batch> batches;
    for (std::int64_t micro = 0; micro < options_.accumulate; ++micro) batches.push_back(loader_->next());
    clock_.add_wait(taken.seconds());
    return batches;
  }

  // From here to its end the state is that of no step.
  void update(std::vector<Batch> batches, double rate) {
    within_step_ = true;
    Write write = Write::assign;
    for (Batch& batch : batches) {
      train_step_->accumulate(std::move(batch), here(), write);
      write = Write::add;
      take_results(Wait::no);
    }
    train_step_->update(rate, options_.accumulate);
    state_.samples += options_.accumulate * options_.batch;
    state_.step += 1;
    within_step_ = false;
  }

  bool log_due() const { return state_.step % options_.log_every == 0 || state_.step == steps_; }

  // After a resume: the verification that a stop or an error had cut short. True when the run is to stop again.
  bool finish_step() {
    if (validation_due()) {
      verify_now();
      if (!validation_due()) save();
    }
    return poll() == TrainRequest::stop;
  }

  // Asks the outside; what was asked for stays until save() answers it, and a stop for good.
  TrainRequest poll() {
    if (hooks_.poll && request_ != TrainRequest::stop) {
      if (const TrainRequest asked = hooks_.poll(); asked != TrainRequest::none) request_ = asked;
    }
    return request_;
  }

  Step here() const { return {.number = state_.step, .seed = options_.seed}; }

  // Adds up what steps have told; with Wait::yes of all that were begun.
  void take_results(Wait wait) {
    while (const std::optional<TrainStep::Done> done = train_step_->done(wait == Wait::yes)) {
      last_images_ = done->batch.indices;
      if (!std::isfinite(done->meters.loss)) {
        within_step_ = true;  // whatever else fails now
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
    std::string images_are = "in " + dump.string();
    try {
      write_durably(dump, json_text(nlohmann::json{{"step", step}, {"first_non_finite", where}, {"images", images}}));
    } catch (const FileError& error) {
      images_are = fmt::format("which could not be told ({})", error.what());
    }
    throw NonFiniteError(
        fmt::format("Step {} is not finite, first of all in {}; lower --lr, add --warm-up, or look at the images of its batch {}.", step,
                    where, images_are));
  }

  // --- after a step ------------------------------------------------------------------------------------------

  void report_progress(std::string activity) {
    if (!hooks_.progress) return;
    hooks_.progress({.step = state_.step,
                     .steps = steps_,
                     .seconds_left = clock_.seconds_for(steps_ - state_.step),
                     .activity = std::move(activity),
                     .meters = meters_now()});
  }

  // Since the last line of the log, or of that line.
  Meters meters_now() const { return state_.meters.count > 0 ? state_.meters.mean() : last_meters_; }

  void log_status(double rate) {
    const MetricsRow row{.step = state_.step,
                         .epoch = static_cast<double>(state_.samples) / static_cast<double>(list_.size()),
                         .meters = state_.meters.mean(),
                         .learning_rate = rate,
                         .samples_per_second = clock_.samples_per_second(state_.meters.count * options_.batch),
                         .wait = clock_.wait_share()};
    metrics_->append(line_of(row));
    last_meters_ = row.meters;
    state_.meters = {};
    clock_.start_interval();
    log_.line(
        fmt::format("Speed {:.1f} samples/sec  Loss {:.4f}  Accuracy {:.1f}%  TargetCosine {:.3f}  FeatureNorm {:.2f}  "
                    "LearningRate {:g}  Epoch {:.2f}  Step {}/{}  Wait {:.1f}%  Required {}",
                    row.samples_per_second, row.meters.loss, 100 * row.meters.accuracy, row.meters.target_cosine, row.meters.feature_norm,
                    rate, row.epoch, state_.step, steps_, 100 * row.wait, duration_text(clock_.seconds_for(steps_ - state_.step))));
    if (!told_refusal_ && !train_step_->refusal().empty()) {
      log_.line(fmt::format("Steps are launched kernel by kernel, which takes longer: {}", train_step_->refusal()));
      told_refusal_ = true;
    }
  }

  // Of the line of the log that was just written.
  void watch_health() {
    const Signs signs{.step = state_.step,
                      .samples = last_meters_.count * options_.batch,
                      .accuracy = last_meters_.accuracy,
                      .feature_norm = last_meters_.feature_norm,
                      .gradient_norm = train_step_->gradient_norm(options_.accumulate),
                      .others_cosine = train_step_->others_cosine()};
    for (const std::string& warning : health_watch_.look(signs, state_.health)) log_.line(warning);
  }

  bool validation_due() const { return validation_ && validation_->due(state_, steps_); }

  // True when this is the best so far. A stop cuts it short; the resumed run then begins with it.
  bool verify_now() {
    take_results(Wait::yes);
    const auto go_on = [this] {
      report_progress("verifying");
      return poll() != TrainRequest::stop;
    };
    const std::optional<ValidationRow> row = validation_->run(device_, state_, *validation_file_, log_, go_on);
    if (!row) return false;
    last_validation_ = row;
    return state_.best_step == state_.step;
  }

  void save() {
    if (train_step_) take_results(Wait::yes);
    require_finite_weights();
    report_progress("saving");
    checkpoints_->save(state_, log_);
    if (request_ == TrainRequest::snapshot) request_ = TrainRequest::none;
  }

  // Saves what an error that ends the run leaves whole, and says so. Numbers that are not finite and a device that failed leave nothing to
  // trust; nor does an error within a step. Whatever goes wrong here is told beside the error itself.
  void keep_state(const std::exception& error) noexcept {
    if (state_.step == 0 || dynamic_cast<const NonFiniteError*>(&error) != nullptr) return;
    const bool whole = !within_step_ && dynamic_cast<const DeviceError*>(&error) == nullptr;
    try {
      try {
        if (whole && !checkpoints_->holds(state_)) save();
      } catch (const std::exception& second) {
        log_.line(fmt::format("The state after step {} could not be saved: {}", state_.step, second.what()));
      }
      const std::string last = checkpoints_->last().string();
      log_.line(checkpoints_->holds(state_)
                    ? fmt::format("The state after step {} is saved in {}; once the cause is mended, --resume auto goes on from there.",
                                  state_.step, last)
                    : fmt::format("The state after step {} is not saved{}.", state_.step,
                                  last.empty() ? "" : fmt::format("; --resume auto goes on from {}", last)));
      write_report();
    } catch (const std::exception&) {
      return;  // a log that cannot be written is not the error that ends the run
    }
  }

  void require_finite_weights() {
    net_.net.look([&](const std::string& name, const Parameter& parameter) {
      const bool finite = on(device_, [&](auto& backend) { return all_finite(backend, parameter.value); });
      if (!finite) stop_non_finite(state_.step, name);
    });
  }

  void write_report() {
    write_durably(options_.out / "report.html", train_report(options_.out, {.title = options_.out.filename().string()}));
  }

  TrainOutcome finish(bool stopped) {
    if (stopped && !checkpoints_->holds(state_)) save();
    write_report();
    if (stopped) {
      log_.line(fmt::format("Stopped on request after step {} of {}; --resume auto goes on from here.", state_.step, steps_));
    } else if (clock_.steps() == 0) {
      log_.line(fmt::format("Nothing to do: the run is at step {} of {}.", state_.step, steps_));
    } else {
      log_.line(fmt::format("Finished {} steps in {}.", steps_, duration_text(since_start_.seconds())));
    }
    return {.step = state_.step,
            .steps = steps_,
            .stopped = stopped,
            .meters = meters_now(),
            .validation = last_validation_,
            .checkpoint = checkpoints_->last()};
  }

  // Batches decoded ahead: those of the next step, and three more; each worker has one at hand.
  int loader_queue() const { return std::max(options_.workers, 3 + static_cast<int>(std::min<std::int64_t>(options_.accumulate, 32))); }

  TrainOptions options_;
  TrainHooks hooks_;
  FaceList list_;
  std::int64_t steps_;
  Schedule schedule_;
  HealthWatch health_watch_;
  ModelDescription description_;
  Device& device_;
  BuiltModel net_;
  Value labels_;
  Head head_;
  std::shared_ptr<FolderLock> lock_;
  RunLog log_;
  std::optional<Solver> solver_;
  std::optional<Validation> validation_;
  std::optional<RunCheckpoints> checkpoints_;
  TrainState state_;
  TrainRequest request_ = TrainRequest::none;
  std::size_t device_free_ = 0;  // of a GPU, before this run took any
  std::optional<DeviceForecast> device_forecast_;
  Tensor cached_images_;                                        // u8 (images,H,W,3), on a GPU that holds them
  std::shared_ptr<const std::vector<std::int64_t>> stand_ins_;  // for those that are bad
  std::optional<Plan> plan_;
  std::optional<TrainStep> train_step_;
  bool told_refusal_ = false;
  std::vector<std::int64_t> last_images_;  // of the last micro-batch that has told its loss
  std::optional<MetricsFile> metrics_, validation_file_;
  std::optional<Loader> loader_;

  bool within_step_ = false;  // the state is that of no step
  StepClock clock_;
  Stopwatch since_start_;
  Meters last_meters_;
  std::optional<ValidationRow> last_validation_;
};

}  // namespace

TrainOutcome train(Device& device, const TrainOptions& options, const TrainHooks& hooks) { return Run(device, options, hooks).go(); }

}  // namespace amnet
