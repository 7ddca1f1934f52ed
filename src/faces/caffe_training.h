// Training a net of Caffe on faces: its model, what a new run starts from, and the net's own tests.
#pragma once

#include <amnet/caffe/import.h>
#include <amnet/faces/face_source.h>
#include <amnet/faces/face_training.h>
#include <amnet/train/checkpoints.h>
#include <amnet/train/observer.h>
#include <amnet/train/run_log.h>
#include <amnet/train/table_file.h>

#include <optional>
#include <string>
#include <vector>

namespace amnet {

/// The net of `options.caffe` for a phase, with the roles that a run needs: images, labels, loss,
/// embedding, class weights and a metric "accuracy". Throws DataError for a net that has not all of
/// them, or fewer classes than the list.
CaffeModel caffe_model(const FaceTraining& options, const FaceList& list, Phase phase, DType dtype);

/// Starts a new run from a caffemodel or a solverstate, and says so.
class CaffeStart final : public Observer {
 public:
  CaffeStart(RunLog& log, const FaceTraining& options, CaffeModel& model, const Checkpoints& checkpoints)
      : log_(log), options_(options), caffe_(model), checkpoints_(checkpoints) {}

  void start(TrainRun& run) override;

 private:
  void take_weights(const std::filesystem::path& file, bool keep_unlike);
  void take_snapshot(Trainer& trainer);

  RunLog& log_;
  const FaceTraining& options_;
  CaffeModel& caffe_;
  const Checkpoints& checkpoints_;
};

/// Runs the net for TEST on its own list every so many steps, as the solver says, and writes the
/// means of its numbers to the log and to test.csv.
class CaffeTests final : public Observer {
 public:
  CaffeTests(RunLog& log, const FaceTraining& options, const FaceList& training, DType dtype);

  void start(TrainRun& run) override;
  void after_step(TrainRun& run) override;
  bool owes(const TrainRun& run) const override;
  void store(Options& state) const override;
  void restore(const TrainRun& run, const Options& state) override;

 private:
  void test_now(TrainRun& run);

  RunLog& log_;
  const FaceTraining& options_;
  FaceList list_;
  CaffeModel caffe_;
  std::vector<MetricRole> numbers_;  // what is told of a test
  std::optional<TableFile> table_;
  std::optional<Plan> plan_;
  std::int64_t tested_step_ = -1;  // of the last test that was completed
};

}  // namespace amnet
