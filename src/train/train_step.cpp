#include <amnet/kernels/finite.h>
#include <amnet/kernels/labels.h>
#include <amnet/train/train_step.h>

#include <algorithm>
#include <utility>

namespace amnet {
namespace {

// Micro-batches that the host may be ahead of a GPU's results. One keeps a GPU busy, and a failure
// there is reported two steps later at most.
constexpr std::size_t ahead = 1;

std::vector<std::string> names_of(const Probes& probes, Probe::Moment moment) {
  std::vector<std::string> names;
  for (const auto& probe : probes) {
    if (probe->moment() == moment) std::ranges::copy(probe->names(), std::back_inserter(names));
  }
  return names;
}

// The number of classes that labels must be below: the first extent of the class weights, or the
// width of what the loss reads first; 0 where neither is there.
std::int64_t classes_of(const Model& model) {
  std::int64_t classes = 0;
  model.net.look([&](const std::string& name, const Parameter& parameter) {
    if (name == model.roles.class_weights) classes = parameter.value.extent(0) / model.roles.centres;
  });
  for (const NetLayer& layer : model.net.layers()) {
    if (classes > 0 || layer.name != model.roles.loss || layer.inputs.empty()) continue;
    const Shape logits = model.net.spec(model.net.find(layer.inputs.front())).shape;
    if (logits.rank() == 2) classes = logits[1];
  }
  return classes;
}

}  // namespace

std::vector<Value> values_of_step(const Model& model, const Probes& probes) {
  std::vector<Value> values = {model.loss()};
  for (const MetricRole& metric : model.roles.metrics) values.push_back(model.net.find(metric.value));
  for (const auto& probe : probes) std::ranges::copy(probe->reads(model), std::back_inserter(values));
  return values;
}

std::vector<std::string> numbers_of_batch(const Model& model, const Probes& probes) {
  std::vector<std::string> names = {"loss"};
  for (const MetricRole& metric : model.roles.metrics) names.push_back(metric.name);
  std::ranges::copy(names_of(probes, Probe::Moment::after_forward), std::back_inserter(names));
  return names;
}

std::vector<std::string> numbers_of_step(const Probes& probes) { return names_of(probes, Probe::Moment::before_update); }

TrainStep::TrainStep(Device& device, const Model& model, Plan& plan, Solver& solver, const BatchSource& source, Probes probes)
    : device_(device),
      model_(model),
      plan_(plan),
      solver_(solver),
      source_(source),
      probes_(std::move(probes)),
      upload_(on(device, [](auto& backend) { return make_upload(backend); })),
      results_(on(device, [](auto& backend) { return make_results(backend); })),
      halted_(Tensor::zeros({1}, DType::u8, memory_of(device))) {
  for (const auto& probe : probes_) {
    probed_.push_back(Tensor::zeros({static_cast<std::int64_t>(probe->names().size())}, DType::f64, memory_of(device)));
  }
  for (std::unique_ptr<Replay>& passes : recorded_) passes = on(device, [](auto& backend) { return make_replay(backend); });
}

void TrainStep::require_usable(const Batch& batch) const {
  require(!batch.tensors.empty() && batch.size() >= 1 && batch.size() <= plan_.options().batch,
          "[train] expected a batch of 1 to {} samples but got {}.", plan_.options().batch, batch.tensors.empty() ? 0 : batch.size());
  for (const NamedTensor& one : batch.tensors) {
    require(one.tensor.defined() && one.tensor.rank() >= 1 && one.tensor.extent(0) == batch.size(),
            "[train] expected a row of '{}' for each of {} samples but got {}.", one.name, batch.size(), one.tensor.shape());
    if (one.name != model_.roles.labels) continue;
    if (const std::int64_t classes = classes_of(model_); classes > 0) check_labels(one.tensor, batch.size(), classes, "train");
  }
}

void TrainStep::bring(const Batch& batch) {
  std::vector<Tensor> tensors;
  for (const NamedTensor& one : batch.tensors) tensors.push_back(one.tensor);
  source_.feed(device_, batch, upload_->bring(tensors), plan_);
}

void TrainStep::look(Probe::Moment moment, std::int64_t step, std::int64_t samples) {
  for (std::size_t i = 0; i < probes_.size(); ++i) {
    if (probes_[i]->moment() != moment) continue;
    probes_[i]->look({.device = device_, .model = model_, .plan = plan_, .step = step, .samples = samples, .numbers = probed_[i]});
  }
}

void TrainStep::passes(const Batch& batch, Step step, bool first, bool last) {
  const std::int64_t samples = batch.size();
  const auto work = [&] {
    plan_.forward(device_, {.step = step, .samples = samples});
    on(device_, [&](auto& backend) { raise_unless_finite(backend, plan_.value(model_.loss()), halted_); });
    look(Probe::Moment::after_forward, step.number, samples);
    plan_.backward(device_, {.parameters = first ? Write::assign : Write::add, .last = last});
    return plan_.repeats();
  };
  if (samples == plan_.options().batch) {
    recorded_[(first ? 1U : 0U) + (last ? 2U : 0U)]->run(work);
  } else {
    work();  // a recording is of the whole batch
  }
  const auto alone = plan_.alone();
  plan_.parameters_changed();  // where a recording was repeated, no plan ran
}

void TrainStep::run(std::vector<Batch> micro_batches, Step step, double learning_rate) {
  const std::size_t count = micro_batches.size();
  require(count >= 1, "[train] expected at least one batch for a step but got none.");
  for (std::size_t i = 0; i < count; ++i) {
    Batch& batch = micro_batches[i];
    const bool last = i + 1 == count;
    bring(batch);
    passes(batch, step, i == 0, last);
    if (last) look(Probe::Moment::before_update, step.number, batch.size());
    std::vector<Tensor> numbers = {plan_.value(model_.loss())};
    for (const MetricRole& metric : model_.roles.metrics) numbers.push_back(plan_.value(model_.net.find(metric.value)));
    std::ranges::copy(probed_, std::back_inserter(numbers));
    results_->put(numbers);
    begun_.push_back({std::move(batch), step.number, last});
  }
  solver_.step(device_, plan_, learning_rate, 1.0 / static_cast<double>(count), halted_, step.number);
}

std::optional<TrainStep::Told> TrainStep::told(bool wait) {
  const bool ready = memory_of(device_) == Memory::host || results_->waiting() > ahead || wait;
  if (begun_.empty() || !ready) return std::nullopt;
  const std::vector<Tensor> results = results_->take();
  Begun begun = std::move(begun_.front());
  begun_.pop_front();
  Told told{.batch = std::move(begun.batch), .step = begun.step, .numbers = {}, .of_the_step = {}};
  const std::size_t values = results.size() - probes_.size();
  for (std::size_t i = 0; i < values; ++i) told.numbers.push_back(results[i].item());
  for (std::size_t i = 0; i < probes_.size(); ++i) {
    const bool of_the_step = probes_[i]->moment() == Probe::Moment::before_update;
    if (of_the_step && !begun.ends_step) continue;
    const std::span<double> numbers = results[values + i].data<double>();
    probes_[i]->conclude(numbers);
    std::ranges::copy(numbers, std::back_inserter(of_the_step ? told.of_the_step : told.numbers));
  }
  return told;
}

std::string TrainStep::refusal() const {
  for (const std::unique_ptr<Replay>& passes : recorded_) {
    if (!passes->refusal().empty()) return passes->refusal();
  }
  return {};
}

std::string TrainStep::first_non_finite(const Batch& batch, Step step) {
  bring(batch);
  return plan_.first_non_finite(device_, {.step = step, .samples = batch.size()});
}

}  // namespace amnet
