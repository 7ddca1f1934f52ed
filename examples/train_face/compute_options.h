// How a command computes: the options of every command that computes, the device made from them,
// and what --verbose reports about it.
//
//   ComputeOptions compute;
//   add_compute_options(app, compute);  // and parse
//   Device device = make_device(compute, Purpose::embedding);
//   …                                   // the work
//   tell_convolutions(compute, device);
#pragma once

#include <amnet/core/device.h>

#include <CLI/CLI.hpp>

#include <string>

struct ComputeOptions {
  std::string device = "auto";
  amnet::ProductPrecision precision = amnet::ProductPrecision::f32;
  bool deterministic = false;
  bool no_graphs = false;
  int threads = 0;  // of a CPU; 0: all that the process may use
  amnet::ConvolutionAlgorithm convolution = amnet::ConvolutionAlgorithm::automatic;
  bool verbose = false;
};

/// The title of these options in --help, and in the configuration of a run.
inline constexpr const char* computing = "Computing";

void add_compute_options(CLI::App& app, ComputeOptions& options);
/// Adds --workers to the group that was begun last.
void add_workers(CLI::App& app, int& workers);

enum class Purpose { training, embedding };

/// Throws amnet::UsageError for values that the options would have refused, for a GPU that does not
/// exist, and for what the device cannot do.
amnet::Device make_device(const ComputeOptions& options, Purpose purpose);

/// With --verbose: which algorithm each convolution has used so far and how often, and on a CPU
/// those that could not use tiles.
void tell_convolutions(const ComputeOptions& options, const amnet::Device& device);
