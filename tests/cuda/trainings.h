// A small set of faces, and whole training runs over it on a GPU.
#pragma once

#include <amnet/faces/train_faces.h>
#include <amnet/io/durable_file.h>

#include <fmt/format.h>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "data/test_images.h"

namespace amnet {

struct Trainings {
  static constexpr std::int64_t height = 24, width = 20;
  static constexpr int people = 4, images_of_each = 3, images = people * images_of_each;

  Trainings() {
    for (int i = 0; i < images; ++i) {
      const Image image = test_images::picture(height, width, static_cast<std::uint64_t>(i) + 1);
      folder.write(fmt::format("faces/p{}/{}.png", i / images_of_each, i), test_images::png_of(image));
    }
  }

  FaceTraining options(const std::string& name, std::int64_t batch = 4) const {
    FaceTraining options;
    options.root = {folder.path() / "faces"};
    options.out = folder.path() / name;
    options.input = {.height = height, .width = width};
    options.network = {.depth = 4, .width = 0.0625, .embedding = 16};
    options.batch = batch;
    options.accumulate = 2;
    options.iterations = 3;
    options.log_every = 1;
    options.workers = 2;
    return options;
  }

  /// Trains, and keeps the messages. `poll` returns the requests from outside.
  TrainOutcome run(const FaceTraining& options, const std::function<TrainRequest()>& poll = {},
                   const std::function<void(std::string_view)>& on_line = {}) {
    log.clear();
    progress.clear();
    Device device = Cuda({.deterministic = true});
    return train_faces(device, options,
                       {.log =
                            [&](std::string_view line) {
                              log += std::string(line) + "\n";
                              if (on_line) on_line(line);
                            },
                        .progress = [&](const TrainProgress& now) { progress.push_back(now); },
                        .poll = poll});
  }

  bool told(std::string_view text) const { return log.find(text) != std::string::npos; }

  /// The memory that a run of that batch reports it will take.
  std::size_t forecast(const FaceTraining& options) {
    FaceTraining one = options;
    one.iterations = 1;
    one.out += fmt::format("-forecast-{}", options.batch);
    run(one);
    const std::string environment = read_file(one.out / "environment.json"), key = "\"device_memory_forecast_bytes\": ";
    return std::stoull(environment.substr(environment.find(key) + key.size()));
  }

  test_images::TemporaryFolder folder;
  std::string log;
  std::vector<TrainProgress> progress;
};

inline FaceTraining with_cache(FaceTraining options) {
  options.cache = ImageCache::device;
  return options;
}

}  // namespace amnet
