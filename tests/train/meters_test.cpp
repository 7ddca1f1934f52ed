#include <amnet/core/error.h>
#include <amnet/io/durable_file.h>
#include <amnet/train/meters.h>

#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <limits>

#include "catch.h"
#include "data/test_images.h"

using namespace amnet;
using test_images::TemporaryFolder;

namespace {

MetricsRow row_of(std::int64_t step) {
  const double t = static_cast<double>(step);
  return {.step = step,
          .epoch = t / 100,
          .meters = {.loss = 20.5 - t / 8, .accuracy = 0.25, .target_cosine = -0.125, .feature_norm = 12.5, .count = 1},
          .learning_rate = 0.05,
          .samples_per_second = 321.25,
          .wait = 0.0625};
}

std::vector<std::int64_t> steps_of(const std::filesystem::path& path) {
  std::vector<std::int64_t> steps;
  for (const MetricsRow& row : read_metrics(path)) steps.push_back(row.step);
  return steps;
}

}  // namespace

TEST_CASE("meters: means over what was added, and nothing added is zero", "[meters]") {
  Meters meters;
  meters.add({.loss = 3, .accuracy = 0.5, .target_cosine = -0.5, .feature_norm = 10});
  meters.add({.loss = 5, .accuracy = 1, .target_cosine = 0.25, .feature_norm = 30});
  const Meters mean = meters.mean();
  CHECK(mean.loss == 4);
  CHECK(mean.accuracy == 0.75);
  CHECK(mean.target_cosine == -0.125);
  CHECK(mean.feature_norm == 20);
  CHECK(mean.count == 2);
  CHECK(meters.loss == 8);
  CHECK(Meters().mean().loss == 0);
}

TEST_CASE("metrics file: rows come back as they were written", "[meters]") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "metrics.csv";
  CHECK(read_metrics(path).empty());
  MetricsFile file(path, metrics_header, 0);
  file.append(line_of(row_of(20)));
  file.append(line_of(row_of(40)));
  const std::vector<MetricsRow> rows = read_metrics(path);
  REQUIRE(rows.size() == 2);
  CHECK(rows[1].step == 40);
  CHECK(rows[1].epoch == 0.4);
  CHECK(rows[1].meters.loss == 15.5);
  CHECK(rows[1].meters.accuracy == 0.25);
  CHECK(rows[1].meters.target_cosine == -0.125);
  CHECK(rows[1].meters.feature_norm == 12.5);
  CHECK(rows[1].learning_rate == 0.05);
  CHECK(rows[1].samples_per_second == 321.25);
  CHECK(rows[1].wait == 0.0625);
  // One name for each number.
  const std::string text = read_file(path);
  CHECK(text.substr(0, text.find('\n')) == metrics_header);
  const std::string line = line_of(row_of(20));
  CHECK(std::ranges::count(line, ',') == std::ranges::count(std::string(metrics_header), ','));

  const auto validation = folder.path() / "validation.csv";
  MetricsFile(validation, validation_header, 0).append(line_of(ValidationRow{500, 87.125, 2.5, 61.25, 33.75}));
  const std::vector<ValidationRow> verified = read_validation(validation);
  REQUIRE(verified.size() == 1);
  CHECK(verified[0].step == 500);
  CHECK(verified[0].accuracy_mean == 87.125);
  CHECK(verified[0].accuracy_std == 2.5);
  CHECK(verified[0].tar_at_far_1 == 61.25);
  CHECK(verified[0].tar_at_far_01 == 33.75);
}

TEST_CASE("metrics file: a rate that there is none of is an empty field, and a row all the same", "[meters]") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "validation.csv";
  const double nan = std::numeric_limits<double>::quiet_NaN();
  MetricsFile file(path, validation_header, 0);
  file.append(line_of(ValidationRow{500, 50, 0, nan, nan}));
  file.append(line_of(ValidationRow{600, nan, nan, 12.5, nan}));
  CHECK(read_file(path) == std::string(validation_header) + "\n500,50.0000,0.0000,,\n600,,,12.5000,\n");
  const MetricsFile resumed(path, validation_header, 600);  // which keeps them
  const std::vector<ValidationRow> rows = read_validation(path);
  REQUIRE(rows.size() == 2);
  CHECK((rows[0].step == 500 && rows[0].accuracy_mean == 50 && std::isnan(rows[0].tar_at_far_1) && std::isnan(rows[0].tar_at_far_01)));
  CHECK((rows[1].step == 600 && std::isnan(rows[1].accuracy_mean) && rows[1].tar_at_far_1 == 12.5));
  write_durably(path, std::string(validation_header) + "\n,50,0,1,1\n700,50,0,1\n800,x,0,1,1\n");
  CHECK(read_validation(path).empty());
}

TEST_CASE("metrics file: a resume cuts the rows that come again, and goes on", "[meters]") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "metrics.csv";
  {
    MetricsFile file(path, metrics_header, 0);
    for (const std::int64_t step : {20, 40, 60, 80, 100}) file.append(line_of(row_of(step)));
  }
  MetricsFile resumed(path, metrics_header, 60);
  CHECK(steps_of(path) == std::vector<std::int64_t>{20, 40, 60});
  resumed.append(line_of(row_of(80)));
  CHECK(steps_of(path) == std::vector<std::int64_t>{20, 40, 60, 80});
  const MetricsFile again(path, metrics_header, 0);  // from the start
  CHECK(steps_of(path).empty());
  CHECK(read_file(path) == std::string(metrics_header) + "\n");
}

TEST_CASE("metrics file: a last line that a crash cut off is no row", "[meters]") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "metrics.csv";
  const std::string whole = std::string(metrics_header) + "\n" + line_of(row_of(20)) + "\n";
  const std::string last = line_of(row_of(40));
  for (std::size_t length = 0; length <= last.size(); ++length) {
    write_durably(path, whole + last.substr(0, length));
    MetricsFile file(path, metrics_header, 1000);
    INFO("cut after " << last.substr(0, length));
    REQUIRE(steps_of(path) == std::vector<std::int64_t>{20});
    file.append(last);  // the next row starts on a line of its own
    REQUIRE(steps_of(path) == std::vector<std::int64_t>{20, 40});
  }
}

TEST_CASE("metrics file: lines that are no rows are left out, and an unwritable file is said once", "[meters]") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "metrics.csv";
  const std::string row = line_of(row_of(20));
  write_durably(path, std::string(metrics_header) + "\n" + row + "\n" + row + ",1\nx" + row + "\n\n1,2,3\n");
  CHECK(steps_of(path) == std::vector<std::int64_t>{20});
  const MetricsFile cleaned(path, metrics_header, 1000);
  CHECK(read_file(path) == std::string(metrics_header) + "\n" + row + "\n");

  std::vector<std::string> faults;
  const auto on_fault = [&](std::string_view fault) { faults.emplace_back(fault); };
  const auto nowhere = folder.path() / "nowhere" / "metrics.csv";
  MetricsFile unwritable(nowhere, metrics_header, 0, on_fault);
  unwritable.append(row);
  REQUIRE(faults.size() == 1);
  CHECK_THAT(faults[0], Catch::Matchers::Contains("nowhere/metrics.csv lacks lines"));
  std::filesystem::create_directory(folder.path() / "nowhere");
  unwritable.append(row);
  CHECK(read_file(nowhere) == std::string(metrics_header) + "\n" + row + "\n");  // with its header

  MetricsFile lost(folder.path() / "gone.csv", metrics_header, 0, on_fault);
  std::filesystem::remove(folder.path() / "gone.csv");
  std::filesystem::create_directory(folder.path() / "gone.csv");
  lost.append(row);
  lost.append(row);
  REQUIRE(faults.size() == 2);
  CHECK_THAT(faults[1], Catch::Matchers::Contains("gone.csv"));
}

TEST_CASE("metrics file: of a row that a full disk cuts short nothing stays", "[meters]") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "metrics.csv";
  std::vector<std::string> faults;
  MetricsFile file(path, metrics_header, 0, [&](std::string_view fault) { faults.emplace_back(fault); });
  file.append(line_of(row_of(20)));
  const std::string whole = read_file(path);

  rlimit limit{};
  getrlimit(RLIMIT_FSIZE, &limit);
  const auto usual = std::signal(SIGXFSZ, SIG_IGN);  // as a program does that wants to hear of it
  const rlimit full{.rlim_cur = whole.size() + 9, .rlim_max = limit.rlim_max};
  setrlimit(RLIMIT_FSIZE, &full);
  file.append(line_of(row_of(40)));
  file.append(line_of(row_of(60)));
  setrlimit(RLIMIT_FSIZE, &limit);
  std::signal(SIGXFSZ, usual);

  CHECK(read_file(path) == whole);
  REQUIRE(faults.size() == 1);
  file.append(line_of(row_of(80)));
  CHECK(steps_of(path) == std::vector<std::int64_t>{20, 80});
}
