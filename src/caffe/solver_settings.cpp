#include <amnet/caffe/solver_settings.h>

#include "layer_import.h"

#include <algorithm>

namespace amnet {
namespace {

using caffe::Fields;

Schedule schedule_of(Fields& solver, std::int64_t steps) {
  const std::string policy = solver.text("lr_policy", "fixed");
  const std::optional<SchedulePolicy> known = find_named<SchedulePolicy>(policy);
  const auto names = names_of(SchedulePolicy());
  const std::span of_caffe = std::span(names).first(names.size() - 1);  // cosine is not one
  if (!known || *known == SchedulePolicy::cosine) {
    solver.refuse(fmt::format("its lr_policy is '{}'; amnet knows {}.", policy, one_of(of_caffe)));
  }
  Schedule schedule{.policy = *known, .base = solver.number("base_lr", 0), .max_steps = steps};
  schedule.gamma = solver.number("gamma", 0);
  schedule.power = solver.number("power", 0);
  schedule.step_size = solver.integer("stepsize", 0);
  schedule.steps = solver.integers("stepvalue");
  return schedule;
}

SolverOptions method_of(Fields& solver) {
  SolverOptions options{.momentum = solver.number("momentum", 0), .weight_decay = solver.number("weight_decay", 0)};
  const std::string type = solver.text("type", "SGD");
  if (type == "Nesterov") {
    options.method = SolverMethod::nesterov;
  } else if (type == "Adam") {
    options.method = SolverMethod::adam;
    options.beta2 = solver.number("momentum2", 0.999);
    options.epsilon = solver.number("delta", 1e-8);
  } else if (type != "SGD") {
    solver.refuse(fmt::format("its type is '{}'; amnet knows SGD, Nesterov and Adam.", type));
  }
  const std::string regularization = solver.text("regularization_type", "L2");
  if (regularization != "L2" && regularization != "L1") {
    solver.refuse(fmt::format("its regularization_type is '{}'; amnet knows L1 and L2.", regularization));
  }
  options.regularization = regularization == "L1" ? Regularization::l1 : Regularization::l2;
  options.clip_norm = std::max(0.0, solver.number("clip_gradients", -1));
  return options;
}

}  // namespace

CaffeSolverSettings caffe_solver_settings(const CaffeSolver& solver, const std::string& file) {
  Fields fields(solver.options, file, "");
  CaffeSolverSettings settings;
  settings.steps = fields.integer("max_iter", 0);
  if (settings.steps < 1) fields.refuse("it has no max_iter of 1 or more: how many steps to train.");
  if (!fields.has("base_lr")) fields.refuse("it has no base_lr: the learning rate at the beginning.");
  settings.schedule = schedule_of(fields, settings.steps);
  settings.solver = method_of(fields);
  settings.accumulate = fields.integer("iter_size", 1);
  settings.engine = fields.text("solver_mode", "GPU") == "CPU" ? CaffeEngine::cpu : CaffeEngine::gpu;
  settings.log_every = fields.integer("display", 0);
  settings.snapshot_every = fields.integer("snapshot", 0);
  settings.seed = fields.integer("random_seed", -1);
  settings.test_every = fields.integer("test_interval", 0);
  const std::vector<std::int64_t> test_batches = fields.integers("test_iter");
  if (test_batches.size() > 1) fields.refuse(fmt::format("it has {} test_iter; amnet tests one net.", test_batches.size()));
  if (!test_batches.empty()) settings.test_batches = test_batches.front();
  settings.test_first = fields.flag("test_initialization", true);
  settings.net = fields.text("net", "");
  if (settings.net.empty()) settings.net = fields.text("train_net", "");
  // what Caffe writes and prints, and where: a run of amnet has its own folder, log and device; and
  // options of methods that this solver does not use
  fields.ignore({"train_net", "average_loss", "snapshot_prefix", "snapshot_diff", "snapshot_after_train", "snapshot_format", "device_id",
                 "debug_info", "test_compute_loss", "layer_wise_reduce", "momentum2", "delta", "rms_decay", "solver_type"});
  fields.finish();
  return settings;
}

namespace {

/// The moment of the solver for the n-th set (Adam has two), or null where nothing is learned.
Tensor* moment_of(Solver& solver, const std::string& parameter, int set) {
  const std::string name = set == 0 ? parameter : parameter + ".square";
  for (Solver::Momentum& each : solver.state()) {
    if (each.name == name) return &each.value;
  }
  return nullptr;
}

}  // namespace

void restore_caffe_history(const CaffeSolverState& state, const CaffeModel& model, Solver& solver, const std::string& file) {
  const auto sets = static_cast<std::size_t>(moments_of(solver.options().method)), blobs = model.parameters.size();
  require<DataError>(state.history.size() == sets * blobs, "{}: it has {} histories but the net of {} needs {}: {} for each of {} blobs.",
                     file, state.history.size(), model.file, sets * blobs, sets, blobs);
  std::vector<std::pair<Tensor*, Tensor>> moments;
  for (std::size_t set = 0; set < sets; ++set) {
    for (std::size_t i = 0; i < blobs; ++i) {
      const Tensor values = values_of_caffe_blob(model, model.parameters[i], state.history[set * blobs + i], file);
      if (Tensor* moment = moment_of(solver, model.parameters[i].parameter, static_cast<int>(set))) moments.emplace_back(moment, values);
    }
  }
  for (const auto& [moment, values] : moments) moment->copy_from(values);
}

std::vector<Tensor> caffe_history_of(const CaffeModel& model, Solver& solver) {
  std::vector<Tensor> history;
  for (int set = 0; set < moments_of(solver.options().method); ++set) {
    for (const CaffeParameter& parameter : model.parameters) {
      const Tensor* moment = moment_of(solver, parameter.parameter, set);
      history.push_back(moment != nullptr ? caffe_blob_of(model, parameter, *moment)
                                          : Tensor::zeros(Shape(std::span(parameter.shape)), model.model.net.dtype()));
    }
  }
  return history;
}

}  // namespace amnet
