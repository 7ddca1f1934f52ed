#include <amnet/faces/face_training.h>

#include <algorithm>
#include <cmath>

namespace amnet {

void apply_preset(FaceTraining& options, std::string_view preset) {
  if (preset == "amsoftmax") {
    options.batch = 256;
    options.iterations = 30000;
    options.learning_rate = 0.1;
    options.lr_steps = {16000, 24000, 28000};
    options.warm_up = 0;
    options.solver = {.momentum = 0.9, .weight_decay = 5e-4};
    options.input.mean = 128;
    options.head.loss = LossKind::amsoftmax;
    options.head.scale = 30;
    options.head.margin = 0.35;
    options.head.margin_rule = MarginRule::cos_gt_m;
    options.head.rows = RowNorm::in_place;
    return;
  }
  require(preset == "small", "[preset] expected 'amsoftmax' or 'small' but got '{}'.", preset);
  options.batch = 128;
  options.epochs = 24;
  // At 0.05 the length of the features grew a hundredfold and more (docs/training_faces.md, "The
  // learning rate of small").
  options.learning_rate = 0.02;
  options.lr_steps = {0.6, 0.8, 0.93};
  options.warm_up = 100;
  options.solver = {.momentum = 0.9, .weight_decay = 5e-4};
  options.head.scale = 30;
  options.head.margin = 0.35;
  options.head.margin_rule = MarginRule::cos_gt_m;
  options.head.rows = RowNorm::projected;
}

void check_options(const FaceTraining& options) {
  const auto at_least = [](std::string_view flag, std::int64_t value, std::int64_t least) {
    require(value >= least, "{}: expected at least {} but got {}.", flag, least, value);
  };
  const auto in_range = [](std::string_view flag, double value, double low, double high) {
    require(std::isfinite(value) && value >= low && value <= high, "{}: expected a number from {} to {} but got {}.", flag, low, high,
            value);
  };
  require(!options.root.empty() || !options.pack.empty(), ".root, .pack: name the folder or the packed file that holds the images.");
  require(std::ranges::none_of(options.root, &std::filesystem::path::empty), ".root: expected the name of a folder but got an empty one.");
  require(std::ranges::none_of(options.train_list, &std::filesystem::path::empty),
          ".train_list: expected the name of a list but got an empty one.");
  require(options.root.size() <= 1 || options.root.size() == options.train_list.size(),
          ".root: expected one folder, or one for each list (.train_list), but got {} folders for {}.", options.root.size(),
          options.train_list.size() == 1 ? "one list" : fmt::format("{} lists", options.train_list.size()));
  require(options.pack.empty() || (options.root.empty() && options.train_list.empty()),
          ".pack: a packed file holds its list and its images; leave out .root and .train_list.");
  require(!options.relabel || !options.pack.empty() || !options.train_list.empty(),
          ".relabel: is for the labels of .train_list or .pack; the people of a folder are numbered from 0 on as it is.");
  require(!options.out.empty(), ".out: name the folder to write the run to.");
  require(options.cache == ImageCache::none || options.augment == Augment::none,
          ".cache: device holds the images as they were decoded but .augment {} changes their pixels in every epoch; leave one of the two "
          "out.",
          name_of(options.augment));
  in_range(".input.mean", options.input.mean, 0, 255);
  in_range(".input.scale", options.input.scale, 1e-6, 1e3);
  check_image_format(options.input);
  at_least(".batch", options.batch, 1);
  require(options.batch <= 1'000'000, ".batch: expected at most 1000000 but got {}.", options.batch);
  at_least(".accumulate", options.accumulate, 1);
  require(options.accumulate <= 1'000'000, ".accumulate: expected at most 1000000 but got {}.", options.accumulate);
  at_least(".iterations", options.iterations, 1);
  require(options.iterations <= 1'000'000'000, ".iterations: expected at most 1000000000 but got {}.", options.iterations);
  in_range(".epochs", options.epochs, 0, 1e6);
  at_least(".classes", options.classes, 0);
  require(options.classes <= std::int64_t{1} << 31, ".classes: expected at most 2147483648 but got {}.", options.classes);
  require(options.workers >= 1 && options.workers <= 256, ".workers: expected 1 to 256 but got {}.", options.workers);
  at_least(".log_every", options.log_every, 1);
  at_least(".checkpoint_every", options.checkpoint_every, 1);
  at_least(".keep_checkpoints", options.keep_checkpoints, 1);
  at_least(".warm_up", options.warm_up, 0);
  require(options.val_every >= -1, ".val_every: expected a number of steps, 0 for never or -1 for once an epoch, but got {}.",
          options.val_every);
  in_range(".learning_rate", options.learning_rate, 0, 1e38);
  // Of sigmoid a negative gamma lets the rate fall.
  in_range(".lr_gamma", options.lr_gamma, options.schedule == SchedulePolicy::sigmoid ? -1 : 0, 1);
  in_range(".lr_power", options.lr_power, 0, 100);
  in_range(".lr_least", options.lr_least, 0, 1e38);
  require(options.schedule != SchedulePolicy::cosine || options.lr_least <= options.learning_rate,
          ".lr_least: expected at most .learning_rate, {}, but got {}.", options.learning_rate, options.lr_least);
  require(options.lr_step_size > 0 && options.lr_step_size <= 1e9,
          ".lr_step_size: expected steps, or a fraction of all steps below 1, but got {}.", options.lr_step_size);
  in_range(".solver.momentum", options.solver.momentum, 0, 1);
  in_range(".solver.weight_decay", options.solver.weight_decay, 0, 1e3);
  in_range(".solver.clip_norm", options.solver.clip_norm, 0, 1e38);
  in_range(".solver.beta2", options.solver.beta2, 0, 1);
  in_range(".solver.epsilon", options.solver.epsilon, 0, 1);
  const bool is_adam = moments_of(options.solver.method) == 2;
  require(!is_adam || options.solver.momentum < 1, ".solver.momentum: expected a number below 1 for {} but got {}.",
          name_of(options.solver.method), options.solver.momentum);
  require(!is_adam || options.solver.beta2 < 1, ".solver.beta2: expected a number below 1 for {} but got {}.",
          name_of(options.solver.method), options.solver.beta2);
  require(options.solver.method != SolverMethod::adamw || options.solver.regularization == Regularization::l2,
          ".solver.regularization: adamw shrinks the weights themselves, which is l2, but got {}.", name_of(options.solver.regularization));
  HeadOptions head = options.head;
  head.classes = std::max<std::int64_t>(1, head.classes);  // they may be unknown yet
  if (options.caffe.solver.empty()) completed(head);
  in_range(".network.width", options.network.width, 1e-3, 16);
  require(options.network.embedding >= 1 && options.network.embedding <= 65536, ".network.embedding: expected 1 to 65536 but got {}.",
          options.network.embedding);
  sphere_face_blocks(options.network.depth);
  for (const double step : options.lr_steps) {
    require(step > 0 && step <= 1e9, ".lr_steps: expected steps, or fractions of all steps below 1, but got {}.", step);
  }
  require(options.val_root.empty() || options.val_pack.empty(), ".val_root, .val_pack: give one of the two.");
  require(options.val_pairs.empty() == (options.val_root.empty() && options.val_pack.empty()),
          ".val_pairs and .val_root (or .val_pack): give both or neither.");
}

std::int64_t steps_of_epoch(const FaceTraining& options, std::int64_t images) {
  return std::max<std::int64_t>(1, images / (options.batch * options.accumulate));
}

std::int64_t total_steps(const FaceTraining& options, std::int64_t images) {
  if (options.epochs <= 0) return options.iterations;
  const double per_step = static_cast<double>(options.batch * options.accumulate);
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(std::ceil(options.epochs * static_cast<double>(images) / per_step)));
}

int queue_of(const FaceTraining& options) {
  return std::max(options.workers, 3 + static_cast<int>(std::min<std::int64_t>(options.accumulate, 32)));
}

Schedule schedule_of(const FaceTraining& options, std::int64_t steps) {
  const auto whole = [steps](double step) -> std::int64_t { return std::llround(step < 1 ? step * static_cast<double>(steps) : step); };
  Schedule schedule{.policy = options.schedule,
                    .base = options.learning_rate,
                    .steps = {},
                    .gamma = options.lr_gamma,
                    .warm_up = options.warm_up,
                    .power = options.lr_power,
                    .step_size = std::max<std::int64_t>(1, whole(options.lr_step_size)),
                    .max_steps = steps,
                    .least = options.lr_least};
  for (const double step : options.lr_steps) schedule.steps.push_back(whole(step));
  std::ranges::sort(schedule.steps);
  return schedule;
}

}  // namespace amnet
