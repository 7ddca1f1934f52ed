// A small version of the network on a device, and training steps of it on batches that depend only
// on the step.
//
//   Trainee there(Cuda{});
//   const std::vector<double> losses = there.train(0, 3);
#pragma once

#include <amnet/core/random.h>
#include <amnet/faces/face_source.h>
#include <amnet/faces/heads.h>
#include <amnet/faces/sphere_face.h>
#include <amnet/train/train_step.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "catch.h"

namespace amnet {

struct TraineeForm {
  SphereFaceOptions network = {.depth = 4, .width = 0.125, .embedding = 16};
  ImageFormat format = {.height = 24, .width = 20};
  std::int64_t batch = 4, classes = 7;
  SolverOptions solver = {};
};

struct Trainee {
  static constexpr std::uint64_t seed = 5;

  explicit Trainee(Device where, TraineeForm chosen = {})
      : device(std::move(where)),
        form(std::move(chosen)),
        model(face_network(form.network, form.format, activation_dtype(device))),
        source(list_of_one(), {.batch = form.batch, .format = form.format}) {
    add_head(model, {.classes = form.classes});
    model.net.initialise(seed);
    model.net.move_to(memory_of(device));
    solver.emplace(model.net, form.solver);
    plan.emplace(model.net, PlanOptions{.batch = form.batch, .loss = model.loss(), .keep = values_of_step(model, probes)});
    step.emplace(device, model, *plan, *solver, source, probes);
  }
  Trainee(const Trainee&) = delete;
  Trainee& operator=(const Trainee&) = delete;

  /// Each person is a pattern of pixels, each photograph that pattern plus an equal amount of
  /// noise: the net can learn something. The batch has the planned number of samples, or `few`.
  Batch batch_of(std::int64_t number, std::optional<std::int64_t> few = {}) const {
    const std::int64_t samples = few.value_or(form.batch);
    const Tensor pixels({samples, form.format.height, form.format.width, 3}, DType::u8), mirrored({samples}, DType::u8),
        labels({samples}, DType::i64);
    const Random random(seed, static_cast<std::uint64_t>(number));
    std::uint64_t i = 0;
    for (std::uint8_t& flag : mirrored.data<std::uint8_t>()) flag = static_cast<std::uint8_t>(random.below(i++, 2));
    const std::span<std::uint8_t> bytes = pixels.data<std::uint8_t>();
    const std::size_t size = bytes.size() / static_cast<std::size_t>(samples);
    auto pixel = bytes.begin();
    for (std::int64_t& label : labels.data<std::int64_t>()) {
      label = static_cast<std::int64_t>(random.below(i++, static_cast<std::uint64_t>(form.classes)));
      const Random looks(seed + 1, static_cast<std::uint64_t>(label));
      for (std::size_t at = 0; at < size; ++at) *pixel++ = static_cast<std::uint8_t>(looks.below(at, 128) + random.below(i++, 128));
    }
    return {.tensors = {{"pixels", pixels}, {"mirrored", mirrored}, {"labels", labels}},
            .samples = std::vector<std::int64_t>(static_cast<std::size_t>(samples), number)};
  }

  /// Runs steps [first, last) of so many micro-batches each; returns the losses of all of them.
  std::vector<double> train(std::int64_t first, std::int64_t last, std::int64_t micro_batches = 2, double learning_rate = 0.05) {
    std::vector<double> losses;
    const std::vector<std::int64_t> sizes(static_cast<std::size_t>(micro_batches), form.batch);
    for (std::int64_t s = first; s < last; ++s) {
      run_step(s, sizes, learning_rate);
      take_losses(losses, false);
    }
    take_losses(losses, true);
    return losses;
  }

  /// One step with one micro-batch of each of these sizes.
  void run_step(std::int64_t number, const std::vector<std::int64_t>& sizes, double learning_rate = 0.05) {
    std::vector<Batch> batches;
    for (const std::int64_t size : sizes) {
      batches.push_back(batch_of(static_cast<std::int64_t>(sizes.size()) * number + static_cast<std::int64_t>(batches.size()), size));
    }
    step->run(std::move(batches), {.number = number, .seed = seed}, learning_rate);
  }

  void take_losses(std::vector<double>& losses, bool wait) {
    while (const auto told = step->told(wait)) losses.push_back(told->numbers.front());
  }

  std::vector<Tensor> parameters() {
    std::vector<Tensor> all;
    model.net.visit([&](const std::string&, Parameter& parameter) { all.push_back(parameter.value.to(Memory::host).clone()); });
    return all;
  }

  static FaceList list_of_one() {
    FaceList list;
    list.add("nobody.jpg");
    return list;
  }

  Device device;
  TraineeForm form;
  Model model;
  FaceSource source;  // provides what batch_of() makes
  Probes probes = {std::make_shared<FeatureProbe>(), std::make_shared<GradientNorm>()};
  std::optional<Solver> solver;
  std::optional<Plan> plan;
  std::optional<TrainStep> step;
};

inline bool same_bits(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  return std::ranges::equal(a, b, [](const Tensor& x, const Tensor& y) { return std::ranges::equal(x.data<float>(), y.data<float>()); });
}

/// The norm of the difference divided by the norm of the wanted values.
inline double relative_difference(const std::vector<Tensor>& wanted, const std::vector<Tensor>& found) {
  double difference = 0, norm = 0;
  REQUIRE(wanted.size() == found.size());
  for (std::size_t t = 0; t < wanted.size(); ++t) {
    const auto a = wanted[t].data<float>(), b = found[t].data<float>();
    for (std::size_t i = 0; i < a.size(); ++i) {
      difference += std::pow(double{a[i]} - double{b[i]}, 2);
      norm += std::pow(double{a[i]}, 2);
    }
  }
  return std::sqrt(difference / norm);
}

/// The allowed difference between the GPU's and the CPU's numbers after several training steps:
/// every step adds to the rounding of the last one.
template <class Precision>
constexpr double bound_of_steps = Precision::precision == ProductPrecision::f32    ? 1e-4
                                  : Precision::precision == ProductPrecision::tf32 ? 2e-2
                                                                                   : 5e-2;

}  // namespace amnet
