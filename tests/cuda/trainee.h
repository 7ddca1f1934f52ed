// A small sister of the network on a device, and training steps of it on batches that depend on the step alone.
//
//   Trainee there(Cuda{});
//   const std::vector<double> losses = there.train(0, 3);
#pragma once

#include <amnet/core/random.h>
#include <amnet/faces/heads.h>
#include <amnet/faces/sphere_face.h>
#include <amnet/model/model_file.h>

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "faces/train_step.h"

namespace amnet {

struct TraineeForm {
  ModelDescription description = {
      .network = {.depth = 4, .width = 0.125, .embedding = 16}, .input = {.height = 24, .width = 20}, .embedding = "fc5"};
  std::int64_t batch = 4, classes = 7;
};

struct Trainee {
  static constexpr std::uint64_t seed = 5;

  explicit Trainee(Device where, TraineeForm chosen = {})
      : device(std::move(where)),
        form(std::move(chosen)),
        model(build_model(form.description, activation_dtype(device))),
        labels(model.net.input("labels", {1}, DType::i64)),
        head(add_head(model.net, model.embedding, labels, {.classes = form.classes})) {
    model.net.initialise(seed);
    model.net.move_to(memory_of(device));
    solver.emplace(model.net, SolverOptions{});
    plan.emplace(model.net, PlanOptions{.batch = form.batch, .loss = head.loss, .keep = {model.embedding, head.loss, head.accuracy}});
    step.emplace(device,
                 TrainedNet{.net = model.net,
                            .plan = *plan,
                            .images = model.images,
                            .labels = labels,
                            .embedding = model.embedding,
                            .head = head,
                            .format = form.description.input},
                 *solver);
  }
  Trainee(const Trainee&) = delete;
  Trainee& operator=(const Trainee&) = delete;

  /// Each person is a pattern of pixels, each photograph that pattern and as much noise: there is something to learn.
  Batch batch_of(std::int64_t number) const {
    const ImageFormat& input = form.description.input;
    Batch batch{.pixels = Tensor({form.batch, input.height, input.width, 3}, DType::u8),
                .mirrored = Tensor({form.batch}, DType::u8),
                .labels = Tensor({form.batch}, DType::i64),
                .indices = {},
                .first_sample = number * form.batch};
    const Random random(seed, static_cast<std::uint64_t>(number));
    std::uint64_t i = 0;
    for (std::uint8_t& flag : batch.mirrored.data<std::uint8_t>()) flag = static_cast<std::uint8_t>(random.below(i++, 2));
    const std::span<std::uint8_t> pixels = batch.pixels.data<std::uint8_t>();
    const std::size_t size = pixels.size() / static_cast<std::size_t>(form.batch);
    auto pixel = pixels.begin();
    for (std::int64_t& label : batch.labels.data<std::int64_t>()) {
      label = static_cast<std::int64_t>(random.below(i++, static_cast<std::uint64_t>(form.classes)));
      const Random looks(seed + 1, static_cast<std::uint64_t>(label));
      for (std::size_t at = 0; at < size; ++at) *pixel++ = static_cast<std::uint8_t>(looks.below(at, 128) + random.below(i++, 128));
    }
    return batch;
  }

  /// Steps [first, last) of so many micro-batches each; the losses of all of them.
  std::vector<double> train(std::int64_t first, std::int64_t last, std::int64_t micro_batches = 2, double learning_rate = 0.05) {
    std::vector<double> losses;
    for (std::int64_t s = first; s < last; ++s) {
      for (std::int64_t micro = 0; micro < micro_batches; ++micro) {
        step->accumulate(batch_of(micro_batches * s + micro), {.number = s, .seed = seed}, micro == 0 ? Write::assign : Write::add);
      }
      step->update(learning_rate, micro_batches);
      take_losses(losses, false);
    }
    take_losses(losses, true);
    return losses;
  }

  void take_losses(std::vector<double>& losses, bool wait) {
    while (const auto done = step->done(wait)) losses.push_back(done->meters.loss);
  }

  std::vector<Tensor> parameters() {
    std::vector<Tensor> all;
    model.net.visit([&](const std::string&, Parameter& parameter) { all.push_back(parameter.value.to(Memory::host).clone()); });
    return all;
  }

  Device device;
  TraineeForm form;
  BuiltModel model;
  Value labels;
  Head head;
  std::optional<Solver> solver;
  std::optional<Plan> plan;
  std::optional<TrainStep> step;
};

inline bool same_bits(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  return std::ranges::equal(a, b, [](const Tensor& x, const Tensor& y) { return std::ranges::equal(x.data<float>(), y.data<float>()); });
}

}  // namespace amnet
