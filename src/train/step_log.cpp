#include <amnet/core/duration.h>

#include <amnet/train/step_log.h>

#include <fmt/format.h>

#include <utility>

namespace amnet {
namespace {

std::string plain_words(const Meters& means) {
  std::string words;
  for (const std::string& name : means.names()) words += fmt::format("{}{} {:.4g}", words.empty() ? "" : "  ", name, means[name]);
  return words;
}

std::vector<std::string> columns_of(const std::vector<std::string>& numbers) {
  std::vector<std::string> columns = {"step", "epoch"};
  columns.insert(columns.end(), numbers.begin(), numbers.end());
  for (const char* column : {"learning_rate", "samples_per_second", "wait_fraction"}) columns.emplace_back(column);
  return columns;
}

std::vector<Reported> numbers_of(const Trainer& trainer) {
  std::vector<Reported> numbers = {{"train/epoch", trainer.epoch()},
                                   {"train/learning_rate", trainer.learning_rate()},
                                   {"train/samples_per_second", trainer.clock().samples_per_second()},
                                   {"train/wait_fraction", trainer.clock().wait_share()}};
  for (const std::string& name : trainer.meters().names()) numbers.push_back({"train/" + name, trainer.meters()[name]});
  for (const auto& probe : trainer.options().probes) {
    if (probe->moment() != Probe::Moment::before_update) continue;
    for (const std::string& name : probe->names()) numbers.push_back({"train/" + name, trainer.latest(name)});
  }
  return numbers;
}

}  // namespace

bool log_is_due(const Trainer& trainer, std::int64_t every) { return trainer.step() % every == 0 || trainer.is_last(); }

StepLog::StepLog(std::filesystem::path folder, RunLog& log, StepLogOptions options)
    : folder_(std::move(folder)), log_(log), options_(std::move(options)) {
  require(options_.every >= 1, "[step log] expected .every of at least 1 step but got {}.", options_.every);
  if (!options_.words) options_.words = plain_words;
}

void StepLog::start(TrainRun& run) {
  std::error_code told_by_table;  // if the folder cannot be created, the table reports it
  std::filesystem::create_directories(folder_, told_by_table);
  const std::filesystem::path path = folder_ / "metrics.csv";
  const std::vector<std::string> numbers = run.trainer().meters().names();
  table_.emplace(path, columns_of(numbers), run.trainer().step(), [this](std::string_view fault) { log_.line(fault); });
  // The numbers reported last stay until there are newer ones.
  const Table told = read_table(path);
  std::vector<double> means;
  for (const std::string& name : numbers) {
    if (told.rows() > 0 && told.has(name)) means.push_back(told.column(name).back());
  }
  if (means.size() == numbers.size()) last_ = Meters(numbers, std::move(means), 1);
  watch_ = {};
}

void StepLog::after_step(TrainRun& run) {
  Trainer& trainer = run.trainer();
  if (!log_is_due(trainer, options_.every)) return;
  trainer.settle();
  const StepClock& clock = trainer.clock();
  last_ = trainer.meters();
  std::string row = fmt::format("{},{:.4f}", trainer.step(), trainer.epoch());
  for (const std::string& name : last_.names()) row += fmt::format(",{:.6g}", last_[name]);
  table_->append(fmt::format("{},{:.6g},{:.2f},{:.4f}", row, trainer.learning_rate(), clock.samples_per_second(), clock.wait_share()));
  log_.line(fmt::format("Speed {:.1f} samples/sec  {}  LearningRate {:g}  Epoch {:.2f}  Step {}/{}  Wait {:.1f}%  Required {}",
                        clock.samples_per_second(), options_.words(last_), trainer.learning_rate(), trainer.epoch(), trainer.step(),
                        trainer.options().steps, 100 * clock.wait_share(),
                        duration_text(clock.seconds_for(trainer.options().steps - trainer.step()))));
  run.report(numbers_of(trainer));
  trainer.close_interval();
  if (!told_refusal_ && !trainer.refusal().empty()) {
    log_.line(fmt::format("Steps are launched kernel by kernel, which takes longer: {}", trainer.refusal()));
    told_refusal_ = true;
  }
}

void StepLog::finish(TrainRun& run, bool stopped) {
  const Trainer& trainer = run.trainer();
  const std::int64_t steps = trainer.options().steps;
  if (stopped) {
    log_.line(fmt::format("Stopped on request after step {} of {}.", trainer.step(), steps));
  } else if (trainer.clock().steps() == 0) {
    log_.line(fmt::format("Nothing to do: the run is at step {} of {}.", trainer.step(), steps));
  } else {
    log_.line(fmt::format("Finished {} steps in {}.", steps, duration_text(watch_.seconds())));
  }
}

}  // namespace amnet
