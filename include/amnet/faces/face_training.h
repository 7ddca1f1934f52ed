// All settings of a training run except the device it runs on. The command line of
// `train_face train` fills them in; a program can do the same. The defaults are those of the
// command line; `apply_preset` sets a whole recipe.
//
//   FaceTraining options{.root = {"faces"}, .out = "runs/a"};
//   apply_preset(options, "small");
//   options.network.width = 0.25;
//   check_options(options);
//   const std::int64_t steps = total_steps(options, 6647);   // of a run over so many images
#pragma once

#include <amnet/caffe/import.h>
#include <amnet/core/image_format.h>
#include <amnet/core/processors.h>
#include <amnet/data/augment.h>
#include <amnet/data/sampler.h>
#include <amnet/faces/heads.h>
#include <amnet/faces/sphere_face.h>
#include <amnet/faces/verification.h>
#include <amnet/train/parameter_rates.h>
#include <amnet/train/schedule.h>
#include <amnet/train/solver.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace amnet {

/// Where the decoded images of the training set are kept from step to step: nowhere (they are
/// decoded again each time), or in the memory of the device that trains, which must be a GPU. The
/// bytes of a batch are the same.
enum class ImageCache : unsigned char { none, device };
constexpr std::array<std::string_view, 2> names_of(ImageCache) { return {"none", "device"}; }

/// A net of Caffe in the place of the network and the head, with what its solver says that is not
/// a setting of every run: apply_caffe_solver() sets all of it.
struct CaffeTraining {
  std::filesystem::path solver = {};  ///< empty: no net of Caffe
  std::filesystem::path net = {};
  std::filesystem::path weights = {};    ///< a caffemodel that a new run starts from
  std::filesystem::path snapshot = {};   ///< a solverstate that a new run goes on from
  std::filesystem::path test_list = {};  ///< lines `path label`, of the net's tests; empty: none
  std::filesystem::path test_root = {};  ///< what its paths start from; empty: the first root
  CaffeEngine engine = CaffeEngine::gpu;
  std::int64_t test_every = 0;    ///< steps between tests; 0: none
  std::int64_t test_batches = 0;  ///< of each test
  std::int64_t test_batch = 32;   ///< images of one of these
  bool test_first = true;         ///< also before the first step
  bool test_mirror = false;       ///< mirrors half of the images, as the reference code does

  friend bool operator==(const CaffeTraining&, const CaffeTraining&) = default;
};

struct FaceTraining {
  // data
  /// folder the lists' paths start from, one for all or one for each; or one sub-folder per
  /// identity
  std::vector<std::filesystem::path> root = {};
  /// `path label` lines; the people of several lists are different people; none: the sub-folders of
  /// root
  std::vector<std::filesystem::path> train_list = {};
  /// a packed file (faces/packed_faces.h) instead of root and train_list
  std::filesystem::path pack = {};
  std::filesystem::path exclude = {};  ///< names of identities to leave out; empty: none
  std::int64_t classes = 0;            ///< 0: the largest label + 1
  bool skip_bad_images = false;        ///< else a bad image ends the run
  /// number the labels of the list or pack from 0 on, in their order
  bool relabel = false;
  ImageFormat input = {};
  Sampling sampling = Sampling::shuffle;
  bool mirror = true;
  Augment augment = Augment::none;
  int workers = default_workers();  ///< decoding threads; no effect on the bytes of a batch
  ImageCache cache = ImageCache::none;

  // verification while training
  std::filesystem::path val_pairs = {}, val_root = {};
  std::filesystem::path val_pack = {};  ///< a packed file instead of val_root
  Protocol protocol = Protocol::amsoftmax;
  std::int64_t val_every = -1;  ///< steps; 0 never, -1 once an epoch

  // model and loss
  SphereFaceOptions network = {};
  HeadOptions head = {};     ///< `classes` is filled in from the data
  CaffeTraining caffe = {};  ///< in their place

  // recipe
  std::int64_t batch = 256;
  /// micro-batches summed into one step, gradients times 1/accumulate
  std::int64_t accumulate = 1;
  std::int64_t iterations = 30000;  ///< steps; ignored where epochs is set
  double epochs = 0;                ///< > 0: ceil(epochs * images / (batch * accumulate)) steps
  SchedulePolicy schedule = SchedulePolicy::multistep;
  double learning_rate = 0.1;
  /// Of multistep: when the rate drops: values below 1 are fractions of all steps, others are
  /// steps. The default is the reference code's 16k, 24k, 28k of 30k.
  std::vector<double> lr_steps = {16.0 / 30, 24.0 / 30, 28.0 / 30};
  double lr_gamma = 0.1;
  double lr_power = 1;        ///< of inv, and of poly, which reaches 0 at the end of the run
  double lr_least = 0;        ///< of cosine, which reaches it at the end of the run
  double lr_step_size = 0.5;  ///< of step and sigmoid: steps, or below 1 a fraction of all steps
  std::int64_t warm_up = 0;
  SolverOptions solver = {};
  ParameterRates rates = {};  ///< of single parameters, by name

  // the run
  std::filesystem::path out = {};
  std::uint64_t seed = 1;
  std::int64_t log_every = 20;
  bool tensorboard = false;  ///< also writes the numbers of the log as event files of TensorBoard
  std::int64_t checkpoint_every = 1000;
  int keep_checkpoints = 3;
  /// "": a new run; "auto": the newest intact checkpoint of `out`, if any; else a checkpoint
  /// directory
  std::string resume = {};
  std::filesystem::path init_from = {};  ///< model file whose tensors a new run starts from
};

/// Recipes: "amsoftmax" is the reference code's (batch 256, 0.1 divided by 10 at 16k, 24k and 28k
/// of 30k steps, margin rule cos_gt_m, weight rows renormalised in place); "small" is for sets of a
/// few hundred to a few thousand people (docs/training_faces.md has its measurements). Throws
/// UsageError for another name.
void apply_preset(FaceTraining& options, std::string_view preset);

/// The recipe of a solver prototxt: its settings, those of the net's layer for TRAIN that reads
/// images (batch, mean, scale, mirror, list and folder), and of that for TEST. `net` takes the
/// place of the solver's own, if it is not empty; a relative path starts at the working folder, or
/// else at the solver's. Fields that only Caffe's output depends on are left aside
/// (docs/formats.md). Throws DataError with file and line for what amnet does not have.
void apply_caffe_solver(FaceTraining& options, const std::filesystem::path& solver, const std::filesystem::path& net);
/// Sets `input` to the size of the first image of the training set, as a net of Caffe takes it
/// whose prototxt has none. Throws as reading the set does.
void take_size_of_first_image(FaceTraining& options);

/// Throws UsageError naming the first option that is out of range.
void check_options(const FaceTraining& options);

/// Steps of one pass over so many images, at least 1.
std::int64_t steps_of_epoch(const FaceTraining& options, std::int64_t images);
/// Steps of a run over so many images.
std::int64_t total_steps(const FaceTraining& options, std::int64_t images);
/// Batches that are decoded ahead: those of the next step, and three more, but at least one for
/// each worker.
int queue_of(const FaceTraining& options);
Schedule schedule_of(const FaceTraining& options, std::int64_t steps);

}  // namespace amnet
