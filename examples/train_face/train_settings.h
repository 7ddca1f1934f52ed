// The settings of a training run, from three places: a preset, a TOML file that overrides it, and
// the command line that overrides both.
//
//   if (auto settings = read_train_settings(arguments)) {
//     Device device = make_device(settings->compute, Purpose::training);
//     train(device, settings->options, {.config = settings->toml});
//   }
#pragma once

#include "commands.h"
#include "compute_options.h"

#include <amnet/faces/face_training.h>

#include <optional>
#include <string>

struct TrainSettings {
  amnet::FaceTraining options;
  ComputeOptions compute;
  std::string config;  // the file that --config named; empty if there is none
  // all settings as a file for --config, which then gives the same run
  std::string toml;
  std::vector<std::string> notes;  // what was taken from other sources, for the log
};

/// Nothing when --help was requested and printed. Throws amnet::UsageError that names the option,
/// or the file and line, and the error.
std::optional<TrainSettings> read_train_settings(const Arguments& arguments);
