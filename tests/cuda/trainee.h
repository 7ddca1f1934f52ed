// A small sister of the network on a device, and training steps of it on batches that depend on the step alone.
//
//   Trainee there(Cuda{});
//   const std::vector<double> losses = there.train(0, 3);
#pragma once

#include <amnet/core/random.h>
#include <amnet/io/model_file.h>
#include <amnet/net/heads.h>
#include <amnet/net/sphere_face.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "train/train_step.h"

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
    model.net.plan_training(form.batch, head.loss, {model.embedding, head.loss, head.accuracy});
    step.emplace(device,
                 TrainedNet{.net = model.net,
                            .images = model.images,
                            .labels = labels,
                            .embedding = model.embedding,
                            .head = head,
                            .format = form.description.input},
                 *solver);
  }
  Trainee(const Trainee&) = delete;
  Trainee& operator=(const Trainee&) = delete;

  Batch batch_of(std::int64_t number) const {
    const ImageFormat& input = form.description.input;
    Batch batch{.pixels = Tensor({form.batch, input.height, input.width, 3}, DType::u8),
                .mirrored = Tensor({form.batch}, DType::u8),
                .labels = Tensor({form.batch}, DType::i64),
                .indices = {},
                .first_sample = number * form.batch};
    const Random random(seed, static_cast<std::uint64_t>(number));
    std::uint64_t i = 0;
    for (std::uint8_t& pixel : batch.pixels.data<std::uint8_t>()) pixel = static_cast<std::uint8_t>(random.below(i++, 256));
    for (std::uint8_t& flag : batch.mirrored.data<std::uint8_t>()) flag = static_cast<std::uint8_t>(random.below(i++, 2));
    const auto below = static_cast<std::uint64_t>(form.classes);
    for (std::int64_t& label : batch.labels.data<std::int64_t>()) label = static_cast<std::int64_t>(random.below(i++, below));
    return batch;
  }

  /// Steps [first, last) of two micro-batches each; the losses of all of them.
  std::vector<double> train(std::int64_t first, std::int64_t last) {
    std::vector<double> losses;
    for (std::int64_t s = first; s < last; ++s) {
      step->accumulate(batch_of(2 * s), {.number = s, .seed = seed}, Write::assign);
      step->accumulate(batch_of(2 * s + 1), {.number = s, .seed = seed}, Write::add);
      step->update(0.05, 2);
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
  std::optional<TrainStep> step;
};

inline bool same_bits(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  return std::ranges::equal(a, b, [](const Tensor& x, const Tensor& y) { return std::ranges::equal(x.data<float>(), y.data<float>()); });
}

}  // namespace amnet
