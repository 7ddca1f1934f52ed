#include <amnet/core/error.h>
#include <amnet/faces/face_training.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "catch.h"

using namespace amnet;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

namespace {

FaceTraining usable() {
  FaceTraining options;
  options.root = {"faces"};
  options.out = "runs/a";
  return options;
}

}  // namespace

TEST_CASE("train options: the amsoftmax preset is the reference code's recipe", "[train_options]") {
  FaceTraining options = usable();
  apply_preset(options, "amsoftmax");
  CHECK_NOTHROW(check_options(options));
  CHECK(options.batch == 256);
  CHECK(options.accumulate == 1);
  CHECK(total_steps(options, 455'594) == 30'000);
  CHECK(options.learning_rate == 0.1);
  CHECK(options.solver.momentum == 0.9);
  CHECK(options.solver.weight_decay == 5e-4);
  CHECK(options.head.loss == LossKind::amsoftmax);
  CHECK(options.head.scale == 30);
  CHECK(options.head.margin == 0.35);
  CHECK(options.head.margin_rule == MarginRule::cos_gt_m);
  CHECK(options.head.rows == RowNorm::in_place);
  CHECK(options.head.feature_norm);
  const Schedule schedule = schedule_of(options, 30'000);
  CHECK(schedule.steps == std::vector<std::int64_t>{16'000, 24'000, 28'000});
  CHECK(schedule.gamma == 0.1);
  CHECK(schedule.warm_up == 0);
}

TEST_CASE("train options: without a preset the head is the paper's, and the small preset warms up", "[train_options]") {
  CHECK(!FaceTraining().head.margin_rule);
  CHECK(completed({.classes = 2}).margin_rule == MarginRule::always);
  CHECK(FaceTraining().head.rows == RowNorm::projected);
  FaceTraining small = usable();
  apply_preset(small, "small");
  CHECK_NOTHROW(check_options(small));
  CHECK(small.warm_up > 0);
  CHECK(small.learning_rate < 0.1);
  CHECK(small.head.rows == RowNorm::projected);
  CHECK_THROWS_WITH(apply_preset(small, "large"), Contains("'amsoftmax' or 'small' but got 'large'"));
  CHECK_THROWS_AS(apply_preset(small, ""), UsageError);
}

TEST_CASE("train options: E epochs are E images over the batch, rounded up", "[train_options]") {
  FaceTraining options = usable();
  options.iterations = 77;
  CHECK(total_steps(options, 1000) == 77);
  options.batch = 32;
  options.epochs = 1;
  CHECK(total_steps(options, 320) == 10);
  CHECK(total_steps(options, 321) == 11);
  CHECK(total_steps(options, 319) == 10);
  options.epochs = 24;
  CHECK(total_steps(options, 455) == 342);  // 341.25: a batch continues over the end of an epoch
  options.accumulate = 4;
  CHECK(total_steps(options, 455) == 86);
  options.epochs = 0.5;
  CHECK(total_steps(options, 1280) == 5);
  options.epochs = 1e-6;
  CHECK(total_steps(options, 10) == 1);
}

TEST_CASE("train options: rate drops are fractions of the run or steps", "[train_options]") {
  FaceTraining options = usable();
  CHECK(schedule_of(options, 30'000).steps == std::vector<std::int64_t>{16'000, 24'000, 28'000});
  CHECK(schedule_of(options, 300).steps == std::vector<std::int64_t>{160, 240, 280});
  options.lr_steps = {500, 0.25, 100};
  options.lr_gamma = 0.5;
  options.learning_rate = 0.4;
  options.warm_up = 10;
  const Schedule mixed = schedule_of(options, 1000);
  CHECK(mixed.steps == std::vector<std::int64_t>{100, 250, 500});
  CHECK(mixed.at(9) == 0.4);
  CHECK(mixed.at(499) == Approx(0.1));
  options.lr_steps = {};
  CHECK(schedule_of(options, 1000).steps.empty());
}

TEST_CASE("train options: every policy of the schedule gets what it needs from the run", "[train_options]") {
  FaceTraining options = usable();
  options.learning_rate = 0.4;
  options.schedule = SchedulePolicy::poly;
  options.lr_power = 2;
  CHECK(schedule_of(options, 1000).at(500) == Approx(0.1));
  CHECK(schedule_of(options, 1000).at(1000) == 0);
  options.schedule = SchedulePolicy::cosine;
  options.lr_least = 0.1;
  options.warm_up = 200;
  CHECK_NOTHROW(check_options(options));
  CHECK(schedule_of(options, 1000).at(199) == 0.4);
  CHECK(schedule_of(options, 1000).at(200) == 0.4);
  CHECK(schedule_of(options, 1000).at(600) == Approx(0.25));
  CHECK(schedule_of(options, 1000).at(1000) == 0.1);
  options.warm_up = 0;
  options.schedule = SchedulePolicy::step;
  options.lr_step_size = 0.25;
  options.lr_gamma = 0.5;
  CHECK(schedule_of(options, 1000).at(249) == 0.4);
  CHECK(schedule_of(options, 1000).at(250) == 0.2);
  CHECK(schedule_of(options, 1).at(1) == 0.2);  // at least one step
  options.schedule = SchedulePolicy::sigmoid;
  options.lr_step_size = 300;
  CHECK(schedule_of(options, 1000).at(300) == 0.2);
  CHECK_NOTHROW(check_options(options));
  options.lr_gamma = -0.5;
  CHECK_NOTHROW(check_options(options));
  CHECK(schedule_of(options, 1000).at(302) == Approx(0.4 / (1 + std::exp(1.0))));
}

TEST_CASE("train options: what is out of range is refused by the name of its flag", "[train_options]") {
  constexpr double nan = std::numeric_limits<double>::quiet_NaN(), infinity = std::numeric_limits<double>::infinity();
  struct Case {
    std::string flag;
    std::function<void(FaceTraining&)> change;
  };
  const std::vector<Case> cases = {
      {".root", [](FaceTraining& o) { o.root.clear(); }},
      {".out", [](FaceTraining& o) { o.out.clear(); }},
      {".batch", [](FaceTraining& o) { o.batch = 0; }},
      {".batch", [](FaceTraining& o) { o.batch = 1'000'001; }},
      {".accumulate", [](FaceTraining& o) { o.accumulate = 0; }},
      {".iterations", [](FaceTraining& o) { o.iterations = 0; }},
      {".epochs", [](FaceTraining& o) { o.epochs = -1; }},
      {".epochs", [](FaceTraining& o) { o.epochs = nan; }},
      {".classes", [](FaceTraining& o) { o.classes = -1; }},
      {".workers", [](FaceTraining& o) { o.workers = 0; }},
      {".log_every", [](FaceTraining& o) { o.log_every = 0; }},
      {".checkpoint_every", [](FaceTraining& o) { o.checkpoint_every = 0; }},
      {".keep_checkpoints", [](FaceTraining& o) { o.keep_checkpoints = 0; }},
      {".warm_up", [](FaceTraining& o) { o.warm_up = -1; }},
      {".val_every", [](FaceTraining& o) { o.val_every = -2; }},
      {".learning_rate", [](FaceTraining& o) { o.learning_rate = nan; }},
      {".learning_rate", [](FaceTraining& o) { o.learning_rate = -0.1; }},
      {".learning_rate", [](FaceTraining& o) { o.learning_rate = infinity; }},
      {".lr_gamma", [](FaceTraining& o) { o.lr_gamma = 1.5; }},
      {".lr_steps",
       [](FaceTraining& o) {
         o.lr_steps = {100, 0};
       }},
      {".lr_steps", [](FaceTraining& o) { o.lr_steps = {nan}; }},
      {".lr_gamma", [](FaceTraining& o) { o.lr_gamma = -0.5; }},
      {".lr_power", [](FaceTraining& o) { o.lr_power = nan; }},
      {".lr_least", [](FaceTraining& o) { o.lr_least = -1; }},
      {".lr_least",
       [](FaceTraining& o) {
         o.schedule = SchedulePolicy::cosine;
         o.lr_least = 2 * o.learning_rate;
       }},
      {".lr_step_size", [](FaceTraining& o) { o.lr_step_size = 0; }},
      {".lr_step_size", [](FaceTraining& o) { o.lr_step_size = nan; }},
      {".solver.momentum", [](FaceTraining& o) { o.solver.momentum = -0.5; }},
      {".solver.momentum", [](FaceTraining& o) { o.solver = {.method = SolverMethod::adam, .momentum = 1}; }},
      {".solver.beta2", [](FaceTraining& o) { o.solver = {.method = SolverMethod::adam, .beta2 = 1}; }},
      {".solver.momentum", [](FaceTraining& o) { o.solver = {.method = SolverMethod::adamw, .momentum = 1}; }},
      {".solver.regularization", [](FaceTraining& o) { o.solver = {.method = SolverMethod::adamw, .regularization = Regularization::l1}; }},
      {".solver.epsilon", [](FaceTraining& o) { o.solver.epsilon = -1; }},
      {".solver.clip_norm", [](FaceTraining& o) { o.solver.clip_norm = -1; }},
      {".solver.weight_decay", [](FaceTraining& o) { o.solver.weight_decay = -1; }},
      {".head.scale", [](FaceTraining& o) { o.head.scale = 0; }},
      {".head.margin", [](FaceTraining& o) { o.head.margin = -0.1; }},
      {".head.margin", [](FaceTraining& o) { o.head.margin = double{nan}; }},
      {".network.width", [](FaceTraining& o) { o.network.width = 0; }},
      {".network.embedding", [](FaceTraining& o) { o.network.embedding = 0; }},
      {"[sphere_face]", [](FaceTraining& o) { o.network.depth = 21; }},
      {"[image format]", [](FaceTraining& o) { o.input.height = 0; }},
      {".input.scale", [](FaceTraining& o) { o.input.scale = nan; }},
      {".val_pairs", [](FaceTraining& o) { o.val_pairs = "pairs.txt"; }},
      {".val_pairs", [](FaceTraining& o) { o.val_root = "faces"; }},
      {".val_pairs", [](FaceTraining& o) { o.val_pack = "faces.pack"; }},
      {".val_root, .val_pack", [](FaceTraining& o) { o.val_pairs = "pairs.txt", o.val_root = "faces", o.val_pack = "faces.pack"; }},
      {".root, .pack", [](FaceTraining& o) { o.root.clear(); }},
      {".pack", [](FaceTraining& o) { o.pack = "faces.pack"; }},
      {".root: expected the name of a folder", [](FaceTraining& o) { o.root = {""}; }},
      {".train_list",
       [](FaceTraining& o) {
         o.train_list = {"a.txt", ""};
       }},
      {".root: expected one folder, or one for each list (.train_list), but got 2 folders for 0 lists.",
       [](FaceTraining& o) {
         o.root = {"a", "b"};
       }},
      {".root: expected one folder, or one for each list (.train_list), but got 2 folders for one list.",
       [](FaceTraining& o) {
         o.root = {"a", "b"}, o.train_list = {"a.txt"};
       }},
      {".cache: device holds", [](FaceTraining& o) { o.cache = ImageCache::device, o.augment = Augment::light; }},
      {".pack", [](FaceTraining& o) { o.root.clear(), o.pack = "faces.pack", o.train_list = {"list.txt"}; }},
  };
  CHECK_NOTHROW(check_options(usable()));
  FaceTraining several = usable();
  several.train_list = {"a.txt", "b.txt"};
  CHECK_NOTHROW(check_options(several));
  several.root = {"a", "b"};
  CHECK_NOTHROW(check_options(several));
  for (const Case& each : cases) {
    FaceTraining options = usable();
    each.change(options);
    INFO(each.flag);
    CHECK_THROWS_AS(check_options(options), UsageError);
    CHECK_THROWS_WITH(check_options(options), StartsWith(each.flag));
  }
}
