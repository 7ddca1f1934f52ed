// How a command computes: the options that every computing command has, the device they make, and what --verbose tells of it.
// Commands that only embed may compute in bf16 too.
//
//   ComputeOptions compute;
//   add_compute_options(app, compute);  // and parse
//   Device device = make_device(compute);
//   …                                   // the work
//   tell_convolutions(compute, device);
#pragma once

#include <amnet/core/device.h>

#include <CLI/CLI.hpp>

#include <string>

struct ComputeOptions {
  int threads = 0;  // 0: all cores
  std::string convolution = "automatic";
  std::string precision = "f32";
  bool verbose = false;
};

void add_compute_options(CLI::App& app, ComputeOptions& options);
void add_precision_option(CLI::App& app, ComputeOptions& options);

/// Throws amnet::UsageError for values that the options would have refused, and for bf16 where this build has none.
amnet::Device make_device(const ComputeOptions& options);

/// With --verbose: which algorithm each convolution took so far and how often, those that tiles did not serve, and the sum of both.
void tell_convolutions(const ComputeOptions& options, const amnet::Device& device);
