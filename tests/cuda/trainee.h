// The network's small sister on a device, as the trainer runs it, and batches that it can learn from.
#pragma once

#include <amnet/io/model_file.h>
#include <amnet/net/heads.h>
#include <amnet/net/sphere_face.h>

#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "train/train_step.h"

namespace amnet {

/// Each person is a pattern of pixels, each photograph that pattern and as much noise.
struct TinyFaces {
  static constexpr std::int64_t batch = 4, classes = 7;
  static constexpr std::uint64_t seed = 5;
  static inline const ModelDescription description{
      .network = {.depth = 4, .width = 0.125, .embedding = 16}, .input = {.height = 24, .width = 20}, .embedding = "fc5"};

  static Batch batch_of(std::int64_t number) {
    Batch result{.pixels = Tensor({batch, description.input.height, description.input.width, 3}, DType::u8),
                 .mirrored = Tensor({batch}, DType::u8),
                 .labels = Tensor({batch}, DType::i64),
                 .indices = {},
                 .first_sample = number * batch};
    const Random random(seed, static_cast<std::uint64_t>(number));
    std::uint64_t i = 0;
    for (std::uint8_t& flag : result.mirrored.data<std::uint8_t>()) flag = static_cast<std::uint8_t>(random.below(i++, 2));
    const std::span<std::uint8_t> pixels = result.pixels.data<std::uint8_t>();
    const std::size_t size = pixels.size() / batch;
    for (std::size_t n = 0; n < batch; ++n) {
      const std::uint64_t person = random.below(i++, classes);
      result.labels.data<std::int64_t>()[n] = static_cast<std::int64_t>(person);
      const Random looks(seed + 1, person);
      for (std::size_t at = 0; at < size; ++at) {
        pixels[n * size + at] = static_cast<std::uint8_t>(looks.below(at, 128) + random.below(i++, 128));
      }
    }
    return result;
  }
};

/// A net on a device, and steps of it.
struct Trainee {
  explicit Trainee(Device where)
      : device(std::move(where)),
        model(build_model(TinyFaces::description, activation_dtype(device))),
        labels(model.net.input("labels", {1}, DType::i64)),
        head(add_head(model.net, model.embedding, labels, {.classes = TinyFaces::classes})) {
    model.net.initialise(TinyFaces::seed);
    model.net.move_to(memory_of(device));
    solver.emplace(model.net, SolverOptions{});
    model.net.plan_training(TinyFaces::batch, head.loss, {model.embedding, head.loss, head.accuracy});
    step.emplace(device,
                 TrainedNet{.net = model.net,
                            .images = model.images,
                            .labels = labels,
                            .embedding = model.embedding,
                            .head = head,
                            .format = TinyFaces::description.input},
                 *solver);
  }

  /// Steps [first, last) of so many micro-batches each; the losses of all of them.
  std::vector<double> train(std::int64_t first, std::int64_t last, std::int64_t micro_batches = 2, double learning_rate = 0.05) {
    std::vector<double> losses;
    const auto take = [&](bool wait) {
      while (const auto done = step->done(wait)) losses.push_back(done->meters.loss);
    };
    for (std::int64_t s = first; s < last; ++s) {
      for (std::int64_t micro = 0; micro < micro_batches; ++micro) {
        step->accumulate(TinyFaces::batch_of(micro_batches * s + micro), {.number = s, .seed = TinyFaces::seed},
                         micro == 0 ? Write::assign : Write::add);
      }
      step->update(learning_rate, micro_batches);
      take(false);
    }
    take(true);
    return losses;
  }

  std::vector<Tensor> parameters() {
    std::vector<Tensor> all;
    model.net.visit([&](const std::string&, Parameter& parameter) { all.push_back(parameter.value.to(Memory::host).clone()); });
    return all;
  }

  Device device;
  BuiltModel model;
  Value labels;
  Head head;
  std::optional<Solver> solver;
  std::optional<TrainStep> step;
};

}  // namespace amnet
