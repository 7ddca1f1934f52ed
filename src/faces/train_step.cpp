#include "train_step.h"

#include <amnet/kernels/feature_statistics.h>
#include <amnet/kernels/finite.h>
#include <amnet/kernels/image_input.h>
#include <amnet/kernels/labels.h>
#include <amnet/kernels/sum_of_squares.h>
#include <amnet/train/health.h>

#include <cmath>
#include <utility>

namespace amnet {
namespace {

// Micro-batches that the host may be ahead of a GPU's answers. One keeps a GPU busy, and what fails there is told two steps later at most.
constexpr std::size_t ahead = 1;

}  // namespace

TrainStep::TrainStep(Device& device, const TrainedNet& trained, Solver& solver)
    : device_(device),
      trained_(trained),
      solver_(solver),
      upload_(on(device, [](auto& backend) { return make_upload(backend); })),
      results_(on(device, [](auto& backend) { return make_results(backend); })),
      first_(on(device, [](auto& backend) { return make_replay(backend); })),
      later_(on(device, [](auto& backend) { return make_replay(backend); })),
      statistics_({2}, DType::f64, memory_of(device)),
      halted_(Tensor::zeros({1}, DType::u8, memory_of(device))) {}

void TrainStep::bring(const Batch& batch) {
  const Plan& plan = trained_.plan;
  const Tensor& cached = trained_.cached_images;
  const Tensor images = cached.defined() ? Tensor::of<std::int64_t>(batch.labels.shape(), batch.indices) : batch.pixels;
  const std::vector<Tensor> there = upload_->bring({images, batch.mirrored, batch.labels});
  on(device_, [&](auto& backend) {
    const ImagePixels pixels = cached.defined() ? ImagePixels(cached, there[0]) : ImagePixels(there[0]);
    image_input(backend, {trained_.format.mean, trained_.format.scale}, pixels, there[1], plan.value(trained_.images));
    copy(backend, there[2], plan.value(trained_.labels));
  });
}

Tensor TrainStep::class_weights() const {
  Tensor weights;
  trained_.net.look([&](const std::string& name, const Parameter& parameter) {
    if (name == class_weights_name) weights = parameter.value;
  });
  return weights;
}

void TrainStep::accumulate(Batch batch, Step step, Write write) {
  Plan& plan = trained_.plan;
  const Tensor weights = class_weights();
  check_labels(batch.labels, batch.labels.count(), weights.extent(0), "train");
  bring(batch);
  const Tensor &loss = plan.value(trained_.head.loss), &accuracy = plan.value(trained_.head.accuracy);
  (write == Write::assign ? first_ : later_)->run([&] {
    plan.forward(device_, {.step = step});
    on(device_, [&](auto& backend) {
      raise_unless_finite(backend, loss, halted_);
      feature_statistics(backend, plan.value(trained_.embedding), weights, plan.value(trained_.labels), statistics_);
    });
    plan.backward(device_, {.parameters = write});
    return plan.repeats();
  });
  plan.parameters_changed();  // where a recording was repeated, no plan saw it
  results_->put({loss, accuracy, statistics_});
  begun_.push_back({std::move(batch), step.number});
}

void TrainStep::update(double learning_rate, std::int64_t micro_batches) {
  solver_.step(device_, trained_.plan, learning_rate, 1.0 / static_cast<double>(micro_batches), halted_);
}

std::optional<TrainStep::Done> TrainStep::done(bool wait) {
  const bool ready = memory_of(device_) == Memory::host || results_->waiting() > ahead || wait;
  if (begun_.empty() || !ready) return std::nullopt;
  const std::vector<Tensor> numbers = results_->take();
  Done done{.batch = std::move(begun_.front().batch), .step = begun_.front().step, .meters = {}};
  begun_.pop_front();
  done.meters.add({.loss = numbers[0].item(),
                   .accuracy = numbers[1].item(),
                   .target_cosine = numbers[2].data<double>()[0],
                   .feature_norm = numbers[2].data<double>()[1]});
  return done;
}

double TrainStep::gradient_norm(std::int64_t micro_batches) {
  const Tensor sum = Tensor::zeros({1}, DType::f64, memory_of(device_));
  trained_.net.look([&](const std::string&, const Parameter& parameter) {
    const Tensor& gradient = trained_.plan.gradient(parameter);
    if (gradient.defined()) on(device_, [&](auto& backend) { add_sum_of_squares(backend, gradient, sum); });
  });
  return std::sqrt(sum.to(Memory::host).item()) / static_cast<double>(micro_batches);
}

double TrainStep::others_cosine() {
  const Plan& plan = trained_.plan;
  return mean_cosine_between_classes(plan.value(trained_.embedding).to(Memory::host), plan.value(trained_.labels).to(Memory::host));
}

std::string TrainStep::first_non_finite(const Batch& batch, Step step) {
  bring(batch);
  return trained_.plan.first_non_finite(device_, {.step = step});
}

}  // namespace amnet
