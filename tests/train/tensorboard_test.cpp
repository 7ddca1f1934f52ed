// Event files of TensorBoard, read by a reader of their own that shares nothing with the writer.
#include <amnet/io/durable_file.h>
#include <amnet/train/checkpoints.h>
#include <amnet/train/probe.h>
#include <amnet/train/step_log.h>
#include <amnet/train/tensorboard.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "catch.h"
#include "data/test_images.h"
#include "small_training.h"
#include "train/event_records.h"

using namespace amnet;
using namespace amnet::small_training;
using test_images::TemporaryFolder;

namespace {

namespace fs = std::filesystem;

/// The CRC bit by bit, as a division of polynomials.
std::uint32_t slow_crc32c(std::string_view bytes) {
  std::uint32_t crc = 0xFFFFFFFF;
  for (const char c : bytes) {
    for (int bit = 0; bit < 8; ++bit) {
      const bool one = ((static_cast<unsigned char>(c) >> bit) & 1) != (crc & 1);
      crc >>= 1;
      if (one) crc ^= 0x82F63B78;
    }
  }
  return ~crc;
}

std::uint64_t number_of(std::string_view bytes) {
  std::uint64_t number = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) number = number << 8 | static_cast<unsigned char>(bytes[i]);
  return number;
}

struct Event {
  double time = 0;
  std::int64_t step = 0;
  std::string version;
  std::optional<std::int64_t> session;
  std::map<std::string, float> scalars;
};

class Fields {
 public:
  explicit Fields(std::string_view message) : rest_(message) {}
  /// Calls visit(field, number, bytes) for each field.
  template <class Visit>
  void each(const Visit& visit) {
    while (!rest_.empty()) {
      const std::uint64_t key = varint();
      const auto field = static_cast<int>(key >> 3);
      switch (key & 7) {
        case 0: visit(field, varint(), std::string_view()); break;
        case 1: visit(field, number_of(take(8)), std::string_view()); break;
        case 2: visit(field, std::uint64_t{0}, take(varint())); break;
        case 5: visit(field, number_of(take(4)), std::string_view()); break;
        default: throw std::runtime_error("no such type of field");
      }
    }
  }

 private:
  std::string_view take(std::uint64_t count) {
    if (count > rest_.size()) throw std::runtime_error("the message ends within a field");
    const std::string_view bytes = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return bytes;
  }
  std::uint64_t varint() {
    std::uint64_t number = 0;
    for (int shift = 0;; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1)[0]);
      number |= std::uint64_t{byte & 0x7FU} << shift;
      if (byte < 0x80) return number;
    }
  }
  std::string_view rest_;
};

template <class T>
T bits_as(std::uint64_t number) {
  T value;
  std::memcpy(&value, &number, sizeof(T));  // little-endian machines
  return value;
}

Event event_of(std::string_view message) {
  Event event;
  Fields(message).each([&](int field, std::uint64_t number, std::string_view bytes) {
    if (field == 1) event.time = bits_as<double>(number);
    if (field == 2) event.step = static_cast<std::int64_t>(number);
    if (field == 3) event.version = bytes;
    if (field == 5) {
      Fields(bytes).each([&](int, std::uint64_t, std::string_view value) {
        std::string tag;
        float scalar = 0;
        Fields(value).each([&](int part, std::uint64_t bits, std::string_view text) {
          if (part == 1) tag = text;
          if (part == 2) scalar = bits_as<float>(bits);
        });
        event.scalars[tag] = scalar;
      });
    }
    if (field == 7) {
      Fields(bytes).each([&](int part, std::uint64_t status, std::string_view) {
        if (part == 1) event.session = static_cast<std::int64_t>(status);
      });
    }
  });
  return event;
}

std::vector<Event> events_of(std::string_view bytes) {
  std::vector<Event> events;
  const auto masked = [](std::string_view of) {
    const std::uint32_t crc = slow_crc32c(of);
    return static_cast<std::uint32_t>((crc >> 15 | crc << 17) + 0xa282ead8U);
  };
  while (!bytes.empty()) {
    REQUIRE(bytes.size() >= 12);
    const std::uint64_t length = number_of(bytes.substr(0, 8));
    REQUIRE(number_of(bytes.substr(8, 4)) == masked(bytes.substr(0, 8)));
    REQUIRE(bytes.size() >= 16 + length);
    REQUIRE(number_of(bytes.substr(12 + length, 4)) == masked(bytes.substr(12, length)));
    events.push_back(event_of(bytes.substr(12, length)));
    bytes.remove_prefix(16 + length);
  }
  return events;
}

std::vector<fs::path> files_of(const fs::path& run) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(run / "tensorboard")) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

/// The points of every curve, as TensorBoard has them of all files: START drops the steps from its
/// own on.
std::map<std::string, std::vector<std::pair<std::int64_t, float>>> curves_of(const fs::path& run) {
  std::map<std::string, std::vector<std::pair<std::int64_t, float>>> curves;
  for (const fs::path& file : files_of(run)) {
    for (const Event& event : events_of(read_file(file))) {
      if (event.session == 1) {
        for (auto& [tag, points] : curves) std::erase_if(points, [&](const auto& point) { return point.first >= event.step; });
      }
      for (const auto& [tag, value] : event.scalars) curves[tag].emplace_back(event.step, value);
    }
  }
  return curves;
}

std::vector<std::int64_t> steps_of(const std::vector<std::pair<std::int64_t, float>>& points) {
  std::vector<std::int64_t> steps;
  for (const auto& [step, value] : points) steps.push_back(step);
  return steps;
}

/// Ends the process's part of a run as a crash would, without a checkpoint of that step.
class CrashAt final : public Observer {
 public:
  explicit CrashAt(std::int64_t step) : step_(step) {}
  void after_step(TrainRun& run) override {
    run.report({{"own/half_of_the_step", static_cast<double>(run.trainer().step()) / 2}, {"own/nan", std::nan("")}});
    run.report({{"own/infinity", -HUGE_VAL}});
    if (run.trainer().step() == step_) throw NonFiniteError("crash");
  }

 private:
  std::int64_t step_;
};

void run_until(const fs::path& folder, std::int64_t crash_at, bool board_first) {
  SmallTraining small;
  Trainer trainer(small.device, small.model, small.source, {.steps = 40, .seed = 3, .probes = {std::make_shared<GradientNorm>()}});
  RunLog log(folder / "train.log");
  StepLog step_log(folder, log, {.every = 5});
  TensorBoard board(folder, log);
  CrashAt crash(crash_at);
  Checkpoints checkpoints(folder, log, {.every = 10});
  std::vector<Observer*> observers = {&step_log, &board, &crash, &checkpoints};
  if (board_first) std::swap(observers[0], observers[1]);
  try {
    train(trainer, observers);
  } catch (const NonFiniteError&) {
  }
}

}  // namespace

TEST_CASE("tensorboard: the checksum is CRC-32C", "[tensorboard]") {
  using event_records::crc32c;
  CHECK(crc32c("123456789") == 0xE3069283);
  CHECK(crc32c("") == 0);
  // RFC 3720, section B.4, as are the next two
  CHECK(crc32c(std::string(32, '\0')) == 0x8A9136AA);
  CHECK(crc32c(std::string(32, '\xFF')) == 0x62A8AB43);
  std::string rising;
  for (int i = 0; i < 32; ++i) rising += static_cast<char>(i);
  CHECK(crc32c(rising) == 0x46DD794E);
  CHECK(slow_crc32c("123456789") == 0xE3069283);
}

TEST_CASE("tensorboard: records are framed messages that a reader of protobuf understands", "[tensorboard]") {
  const std::vector<Event> events = events_of(
      event_records::version(1.5) + event_records::start(2.5, 301) +
      event_records::scalars(3.5, std::int64_t{1} << 40, std::vector<event_records::Scalar>{{"a", 0.25}, {std::string(200, 'b'), -1e-3}}));
  REQUIRE(events.size() == 3);
  CHECK(events[0].time == 1.5);
  CHECK(events[0].version == "brain.Event:2");
  CHECK(events[1].step == 301);
  CHECK(events[1].session == 1);
  CHECK(events[2].time == 3.5);
  CHECK(events[2].step == std::int64_t{1} << 40);
  CHECK(events[2].scalars == std::map<std::string, float>{{"a", 0.25F}, {std::string(200, 'b'), -1e-3F}});
}

TEST_CASE("tensorboard: a run's curves are those of its log, in whatever order the two are", "[tensorboard]") {
  for (const bool board_first : {true, false}) {
    const TemporaryFolder folder;
    run_until(folder.path(), -1, board_first);
    auto curves = curves_of(folder.path());
    const Table table = read_table(folder.path() / "metrics.csv");
    for (const std::string& name : table.names) {
      if (name == "step") continue;
      INFO(name);
      const auto& points = curves.at("train/" + name);
      REQUIRE(steps_of(points) == std::vector<std::int64_t>{5, 10, 15, 20, 25, 30, 35, 40});
      // the digits of the table
      for (std::size_t i = 0; i < points.size(); ++i) CHECK(points[i].second == Approx(table.column(name)[i]).epsilon(1e-4).margin(1e-4));
    }
    CHECK(curves.at("train/gradient_norm").front().second > 0);
    CHECK(curves.at("own/half_of_the_step").size() == 40);
    CHECK(curves.at("own/half_of_the_step").at(7) == std::pair(std::int64_t{8}, 4.0F));
    CHECK(curves.size() == table.names.size() - 1 + 2);  // and no number that is not finite
  }
}

TEST_CASE("tensorboard: a run that crashed and goes on has each step once, with the same numbers", "[tensorboard]") {
  const TemporaryFolder whole, parts;
  run_until(whole.path(), -1, true);
  run_until(parts.path(), 17, true);  // its last checkpoint is of step 10: 15 comes again
  CHECK(steps_of(curves_of(parts.path()).at("train/loss")) == std::vector<std::int64_t>{5, 10, 15});
  CHECK(events_of(read_file(files_of(parts.path()).at(0))).at(0).version == "brain.Event:2");
  run_until(parts.path(), 38, true);
  run_until(parts.path(), -1, true);
  const std::vector<fs::path> files = files_of(parts.path());
  REQUIRE(files.size() == 3);  // within one second, and each behind the last
  CHECK(events_of(read_file(files[1])).at(1).step == 11);
  CHECK(events_of(read_file(files[2])).at(1).step == 31);
  auto wanted = curves_of(whole.path()), found = curves_of(parts.path());
  for (const char* same :
       {"train/loss", "train/accuracy", "train/learning_rate", "train/epoch", "train/gradient_norm", "own/half_of_the_step"}) {
    INFO(same);
    CHECK(found.at(same) == wanted.at(same));
  }
  // A new run in a folder that a run left without a checkpoint drops all that is there.
  const TemporaryFolder early;
  run_until(early.path(), 7, true);
  run_until(early.path(), -1, true);
  CHECK(curves_of(early.path()).at("train/loss") == wanted.at("train/loss"));
}

TEST_CASE("tensorboard: a folder that cannot be written is said once, and the run goes on", "[tensorboard]") {
  const TemporaryFolder folder;
  write_durably(folder.path() / "tensorboard", "a file in the place of the folder");
  SmallTraining small;
  Trainer trainer(small.device, small.model, small.source, {.steps = 10});
  std::string lines;
  RunLog log(folder.path() / "train.log", [&](std::string_view line) { lines += std::string(line) + "\n"; });
  StepLog step_log(folder.path(), log, {.every = 1});
  TensorBoard board(folder.path(), log);
  train(trainer, {&step_log, &board});
  CHECK(trainer.step() == 10);
  const std::string what = "tensorboard/events.out.tfevents.";
  CHECK_THAT(lines, Catch::Matchers::Contains(what) && Catch::Matchers::Contains("the run itself goes on"));
  CHECK(lines.find(what) == lines.rfind(what));
}
