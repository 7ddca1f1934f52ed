#include <amnet/core/error.h>
#include <amnet/faces/train_state.h>

#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "catch.h"

using namespace amnet;
using Catch::Matchers::Contains;

namespace {

TrainState some_state() {
  return {.step = 1234,
          .samples = 157'952,
          .seed = ~std::uint64_t{0},
          .images = 10'007,
          .classes = 10'516,
          .data_fingerprint = 0x8000'0000'0000'0001,
          .batch = 128,
          .accumulate = 2,
          .meters = {.loss = 1.0 / 3, .accuracy = 0.1, .target_cosine = -1e-17, .feature_norm = 12.345678901234567, .count = 7},
          .health = {.feature_norm = {.first = 21.2345, .after_start = true, .told = true},
                     .gradient_norm = {.first = 1e-17},
                     .window_begin = 1200,
                     .window_correct = 17.5,
                     .window_samples = 4352,
                     .told_collapse = true},
          .verified_step = 1230,
          .best_step = 1000,
          .best_accuracy = 87.1};
}

bool same_bits(double a, double b) { return std::memcmp(&a, &b, sizeof a) == 0; }

bool same(const TrainState& a, const TrainState& b) {
  return a.step == b.step && a.samples == b.samples && a.seed == b.seed && a.images == b.images && a.classes == b.classes &&
         a.data_fingerprint == b.data_fingerprint && a.batch == b.batch && a.accumulate == b.accumulate &&
         same_bits(a.meters.loss, b.meters.loss) && same_bits(a.meters.accuracy, b.meters.accuracy) &&
         same_bits(a.meters.target_cosine, b.meters.target_cosine) && same_bits(a.meters.feature_norm, b.meters.feature_norm) &&
         a.meters.count == b.meters.count && a.health == b.health && a.verified_step == b.verified_step && a.best_step == b.best_step &&
         same_bits(a.best_accuracy, b.best_accuracy);
}

std::string replaced(std::string text, const std::string& old, const std::string& with) {
  const std::size_t at = text.find(old);
  REQUIRE(at != std::string::npos);
  return text.replace(at, old.size(), with);
}

}  // namespace

TEST_CASE("train state: every number comes back to the last bit", "[train_state]") {
  CHECK(same(parse_state(state_json(some_state()), "x"), some_state()));
  CHECK(same(parse_state(state_json(TrainState{}), "x"), TrainState{}));
  using Limits = std::numeric_limits<double>;
  for (const double awkward :
       {Limits::denorm_min(), Limits::min(), Limits::max(), Limits::epsilon(), -0.0, 1 + Limits::epsilon(), 1e23, -123456.789}) {
    TrainState state = some_state();
    state.meters.loss = state.best_accuracy = awkward;
    INFO(awkward);
    CHECK(same(parse_state(state_json(state), "x"), state));
  }
  TrainState large = some_state();
  large.step = large.samples = std::numeric_limits<std::int64_t>::max();
  CHECK(same(parse_state(state_json(large), "x"), large));
  // A state of before there was a verified step: the step itself, so that nothing is verified twice.
  CHECK(parse_state(replaced(state_json(some_state()), "verified_step", "other"), "x").verified_step == 1234);
  CHECK(state_json(some_state()) == state_json(parse_state(state_json(some_state()), "x")));
}

TEST_CASE("train state: text that is no state is refused with its source", "[train_state]") {
  const std::string good = state_json(some_state());
  for (const std::string& text : {std::string(), std::string("{}"), std::string("[]"), std::string("null"), std::string("step_00000020"),
                                  good.substr(0, good.size() / 2), good + "}", replaced(good, "1234", "\"1234\"")}) {
    INFO(text);
    CHECK_THROWS_AS(parse_state(text, "runs/a/state.json"), DataError);
    CHECK_THROWS_WITH(parse_state(text, "runs/a/state.json"), Contains("runs/a/state.json: this is no training state"));
  }
  for (const char* key : {"step", "samples", "seed", "images", "classes", "data_fingerprint", "batch", "accumulate", "meters", "loss",
                          "accuracy", "target_cosine", "feature_norm", "count", "best_step", "best_accuracy"}) {
    INFO(key);
    CHECK_THROWS_AS(parse_state(replaced(good, "\"" + std::string(key) + "\"", "\"other\""), "x"), DataError);
  }
  CHECK_THROWS_WITH(parse_state(replaced(good, "\"version\": 1", "\"version\": 2"), "x"),
                    "x: the state has version 2 but this amnet reads version 1.");
}

TEST_CASE("train state: a run resumes only as what it was", "[train_state]") {
  const TrainState then = some_state();
  TrainState now = then;
  now.step = now.samples = now.best_step = 0;  // what a run moves does not count
  now.best_accuracy = -1;
  now.meters = {};
  CHECK_NOTHROW(check_resumable(then, now, "runs/a"));

  const auto refused = [&](const std::function<void(TrainState&)>& change, const std::vector<std::string>& words) {
    TrainState other = now;
    change(other);
    CHECK_THROWS_AS(check_resumable(then, other, "runs/a"), UsageError);
    for (const std::string& word : words) CHECK_THROWS_WITH(check_resumable(then, other, "runs/a"), Contains(word));
  };
  refused([](TrainState& s) { s.seed = 2; }, {"runs/a: ", "seed 18446744073709551615", "now it is 2", "--seed"});
  refused([](TrainState& s) { s.batch = 64; }, {"batch 128", "now it is 64", "--batch"});
  refused([](TrainState& s) { s.accumulate = 1; }, {"accumulate 2", "now it is 1", "--accumulate"});
  refused([](TrainState& s) { s.images = 9; }, {"images 10007", "now it is 9", "--train-list"});
  refused([](TrainState& s) { s.classes = 4; }, {"classes 10516", "now it is 4", "--classes"});
  refused([](TrainState& s) { ++s.data_fingerprint; }, {"runs/a: the training list has other paths or labels"});
}

TEST_CASE("train state: settings that change what is learned are told, others not", "[train_state]") {
  const std::string then = "# Data\nworkers = 1\ncache = \"none\"\n# Recipe\nlr = 0.1\nwarm-up = 0\n";
  CHECK(changed_settings(then, then).empty());
  CHECK(changed_settings(then, "workers = 8\ncache = \"device\"\nlr = 0.1\nwarm-up = 0\n").empty());
  CHECK(changed_settings(then, "lr = 0.2\n") ==
        std::vector<std::string>{"Setting changed since the checkpoint: lr = 0.2, was 0.1",
                                 "Setting changed since the checkpoint: warm-up is not set, was 0"});
}
