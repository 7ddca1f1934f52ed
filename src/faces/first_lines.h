// The first lines of a run: what was built, which data, which network, how much memory here and on
// a GPU.
#pragma once

#include <amnet/faces/device_forecast.h>
#include <amnet/faces/face_list.h>
#include <amnet/faces/memory_forecast.h>
#include <amnet/train/run_log.h>

#include <optional>

namespace amnet {

struct FirstLines {
  const FaceTraining& options;
  const FaceList& list;
  Net& net;
  MemoryForecast memory;
  std::int64_t steps;
  const Device& device;
  std::optional<DeviceForecast> device_forecast = {};  // on a GPU
  std::size_t device_free = 0;                         // of its memory, before the run took any
};

/// Writes them to the log, and the numbers among them to environment.json.
void write_first_lines(RunLog& log, const FirstLines& run);

}  // namespace amnet
