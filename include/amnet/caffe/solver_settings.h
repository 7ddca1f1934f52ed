// What a solver prototxt says about a training, in amnet's terms.
//
//   const CaffeSolverSettings settings = caffe_solver_settings(read_caffe_solver("solver.prototxt"), "solver.prototxt");
//   Solver solver(net, settings.solver);
//   solver.step(device, plan, settings.schedule.at(0), 1.0 / static_cast<double>(settings.accumulate));
#pragma once

#include <amnet/caffe/caffe_file.h>
#include <amnet/caffe/import.h>
#include <amnet/train/schedule.h>
#include <amnet/train/solver.h>

#include <cstdint>
#include <string>

namespace amnet {

struct CaffeSolverSettings {
  std::string net;  ///< the prototxt that it names; may be empty
  Schedule schedule = {};
  SolverOptions solver = {};
  std::int64_t steps = 0;       ///< max_iter
  std::int64_t accumulate = 1;  ///< iter_size
  CaffeEngine engine = CaffeEngine::gpu;
  std::int64_t log_every = 0;       ///< display; 0: it does not say
  std::int64_t snapshot_every = 0;  ///< snapshot; 0: never but at the end
  std::int64_t seed = -1;           ///< random_seed; -1: any
  std::int64_t test_every = 0;      ///< test_interval; 0: never
  std::int64_t test_batches = 0;    ///< test_iter
  bool test_first = true;           ///< test_initialization: also before the first step
};

/// Throws DataError of one sentence with `file` for what amnet does not have: another method or
/// policy, several nets to test, a field that has no meaning here.
CaffeSolverSettings caffe_solver_settings(const CaffeSolver& solver, const std::string& file);

/// Gives a solver the history of a solverstate: what its method keeps for each parameter of the
/// net. Throws DataError of one sentence with `file` and the layer where the history is not of this
/// net or method; the solver is then as before.
void restore_caffe_history(const CaffeSolverState& state, const CaffeModel& model, Solver& solver, const std::string& file);
/// The other way: the history in Caffe's order, with zeros for what is not learned.
std::vector<Tensor> caffe_history_of(const CaffeModel& model, Solver& solver);

}  // namespace amnet
