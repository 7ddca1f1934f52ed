#include <amnet/faces/heads.h>
#include <amnet/faces/sphere_face.h>
#include <amnet/faces/train_faces.h>
#include <amnet/train/health_observer.h>
#include <amnet/train/probe.h>
#include <amnet/train/step_log.h>
#include <amnet/train/tensorboard.h>

#include "caffe_training.h"
#include "face_observers.h"
#include "training_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace amnet {
namespace {

const FaceTraining& checked(const FaceTraining& options, const Device& device) {
  check_options(options);
  // Compared with a CPU's step, decoding takes almost no time: see image_cache.h.
  require(options.cache == ImageCache::none || memory_of(device) == Memory::cuda,
          ".cache: device keeps the images in a GPU's memory but the run is on {}; take a GPU (.device cuda), or leave .cache out.",
          description_of(device));
  return options;
}

LoaderOptions loader_options(const FaceTraining& options, RunLog& log) {
  return {.batch = options.batch,
          .format = options.input,
          .seed = options.seed,
          .shuffle = true,
          .sampling = options.sampling,
          .mirror = options.mirror,
          .augmentation = augmentation_of(options.augment),
          .workers = options.workers,
          .queue = queue_of(options),
          .bad_images = options.skip_bad_images ? BadImages::skip : BadImages::fail,
          .on_bad_image = [&log](const BadImage& bad) { log.line(fmt::format("Skipped a bad image: {}", bad.reason)); }};
}

Model face_model(const FaceTraining& options, std::int64_t classes, DType dtype) {
  Model model = face_network(options.network, options.input, dtype);
  HeadOptions head = options.head;
  head.classes = classes;
  add_head(model, head);
  return model;
}

TrainerOptions trainer_options(const FaceTraining& options, std::int64_t steps) {
  const auto is_logged = [every = options.log_every, steps](std::int64_t step) { return (step + 1) % every == 0 || step + 1 == steps; };
  return {.steps = steps,
          .accumulate = options.accumulate,
          .schedule = schedule_of(options, steps),
          .solver = options.solver,
          .seed = options.seed,
          .probes = {std::make_shared<FeatureProbe>(), std::make_shared<GradientNorm>(is_logged)}};
}

CheckpointsOptions checkpoint_options(const FaceTraining& options, const FaceHooks& hooks, const FaceList& list,
                                      std::shared_ptr<FolderLock> lock) {
  CheckpointsOptions checkpoints{
      .every = options.checkpoint_every, .keep = options.keep_checkpoints, .resume = options.resume, .lock = std::move(lock)};
  if (!hooks.config.empty()) checkpoints.texts.push_back({"config.toml", hooks.config});
  if (const std::string labels = label_table(list); !labels.empty()) {
    // Catches a list with the same people in the same order, but with other labels than before.
    checkpoints.texts.push_back(
        {"labels.csv", labels, "the training list has other labels than when the run was started; restore it or begin a new .out."});
  }
  return checkpoints;
}

VerifierOptions verifier_options(const FaceTraining& options, std::int64_t images) {
  return {.pairs = options.val_pairs,
          .root = options.val_root,
          .pack = options.val_pack,
          .protocol = options.protocol,
          .every = options.val_every >= 0 ? options.val_every : steps_of_epoch(options, images),
          .batch = std::min<std::int64_t>(64, options.batch),
          .workers = options.workers,
          .skip_bad_images = options.skip_bad_images};
}

std::string words(const Meters& means) {
  return fmt::format("Loss {:.4f}  Accuracy {:.1f}%  TargetCosine {:.3f}  FeatureNorm {:.2f}", means["loss"], 100 * means["accuracy"],
                     means["target_cosine"], means["feature_norm"]);
}

}  // namespace

TrainOutcome train_faces(Device& device, const FaceTraining& given, const FaceHooks& hooks) {
  const FaceTraining& options = checked(given, device);
  const FaceList list = read_training_set(options);
  const std::int64_t steps = total_steps(options, list.size());
  const std::size_t device_free = memory_of(device) == Memory::cuda ? device_memory().free : 0;
  const bool has_caffe = !options.caffe.solver.empty();
  CaffeModel caffe;
  if (has_caffe) {
    caffe = caffe_model(options, list, Phase::train, activation_dtype(device));
  } else {
    caffe.model = face_model(options, list.classes(), activation_dtype(device));
  }
  Model& model = caffe.model;
  const ChosenRates rates = apply_rates(model.net, options.rates);
  const std::shared_ptr<FolderLock> lock = hooks.lock ? hooks.lock : std::make_shared<FolderLock>(options.out);
  RunLog log(options.out / "train.log", hooks.log, hooks.wording);

  FaceSource source(list, loader_options(options, log), {.images = model.roles.image->input, .labels = model.roles.labels});
  Trainer trainer(device, model, source, trainer_options(options, steps));
  Checkpoints checkpoints(options.out, log, checkpoint_options(options, hooks, list, lock));
  std::optional<Verifier> verifier;
  if (!options.val_pairs.empty()) verifier.emplace(options.out, model, log, verifier_options(options, list.size()));
  StepLog step_log(options.out, log, {.every = options.log_every, .words = words});
  HealthObserver health(log, {.classes = list.classes(), .epoch = steps_of_epoch(options, list.size()), .warm_up = options.warm_up},
                        options.log_every);
  ImageCacheFiller cache(log, source);
  FaceReport report(options.out);
  FaceOpening opening(log, {.options = options,
                            .hooks = hooks,
                            .source = source,
                            .checkpoints = checkpoints,
                            .verifier = verifier,
                            .rates = rates,
                            .device_free = device_free});
  TensorBoard board(options.out, log);

  CaffeStart caffe_start(log, options, caffe, checkpoints);
  std::optional<CaffeTests> caffe_tests;
  if (has_caffe && options.caffe.test_every > 0 && options.caffe.test_batches > 0 && !options.caffe.test_list.empty()) {
    caffe_tests.emplace(log, options, list, activation_dtype(device));
  }

  std::vector<Observer*> observers = {&opening, &step_log, &health};
  if (has_caffe) observers.insert(observers.begin() + 1, &caffe_start);
  if (options.tensorboard) observers.push_back(&board);
  if (caffe_tests) observers.push_back(&*caffe_tests);
  if (verifier) observers.push_back(&*verifier);
  if (options.cache == ImageCache::device) observers.push_back(&cache);
  observers.insert(observers.end(), {&report, &checkpoints});
  const bool stopped = log.logging_errors([&] {
    try {
      return train(trainer, observers, {.progress = hooks.progress, .poll = hooks.poll});
    } catch (const DeviceMemoryError& error) {
      throw batch_too_large(device_run(options, trainer, source, verifier), options.batch, error);
    }
  });
  return {.step = trainer.step(),
          .steps = steps,
          .stopped = stopped,
          .meters = trainer.meters().count() > 0 ? trainer.meters() : step_log.last(),
          .validation = verifier ? verifier->last() : std::nullopt,
          .checkpoint = checkpoints.last()};
}

}  // namespace amnet
