#include <amnet/core/error.h>
#include <amnet/io/durable_file.h>
#include <amnet/train/table_file.h>

#include <sys/resource.h>

#include <cmath>
#include <csignal>

#include "catch.h"
#include "data/test_images.h"

using namespace amnet;
using test_images::TemporaryFolder;

namespace {

const std::vector<std::string> columns = {"step", "epoch", "loss"};
const std::string header = "step,epoch,loss";

std::string row_of(std::int64_t step) { return fmt::format("{},{:.2f},{:.4g}", step, static_cast<double>(step) / 100, 20.5); }

std::vector<std::int64_t> steps_of(const std::filesystem::path& path) {
  const Table table = read_table(path);
  std::vector<std::int64_t> steps;
  for (const double step : table.rows() == 0 ? std::vector<double>() : table.column("step"))
    steps.push_back(static_cast<std::int64_t>(step));
  return steps;
}

}  // namespace

TEST_CASE("table file: rows come back as they were written", "[table_file]") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "metrics.csv";
  CHECK(read_table(path).rows() == 0);
  TableFile file(path, columns, 0);
  file.append("20,0.2,15.5");
  file.append("40,0.4,1e-300");
  const Table table = read_table(path);
  CHECK(table.names == columns);
  REQUIRE(table.rows() == 2);
  CHECK(table.column("step") == std::vector<double>{20, 40});
  CHECK(table.column("loss") == std::vector<double>{15.5, 1e-300});
  CHECK(table.has("epoch"));
  CHECK(!table.has("accuracy"));
  CHECK_THROWS_WITH(table.column("accuracy"), Catch::Contains("'step', 'epoch', 'loss'") && Catch::Contains("'accuracy'"));
}

TEST_CASE("table file: a number that there is none of is an empty field, and the row a row all the same", "[table_file]") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "metrics.csv";
  TableFile(path, columns, 0).append("20,,15.5");
  const TableFile resumed(path, columns, 20);  // which keeps this row
  CHECK(read_file(path) == header + "\n20,,15.5\n");
  const Table table = read_table(path);
  REQUIRE(table.rows() == 1);
  CHECK(std::isnan(table.column("epoch")[0]));
  write_durably(path, header + "\n,0.2,1\n30,0.3\n40,x,1\n");
  CHECK(read_table(path).rows() == 0);
}

TEST_CASE("table file: a resume cuts the rows that come again, and goes on", "[table_file]") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "metrics.csv";
  {
    TableFile file(path, columns, 0);
    for (const std::int64_t step : {20, 40, 60, 80, 100}) file.append(row_of(step));
  }
  TableFile resumed(path, columns, 60);
  CHECK(steps_of(path) == std::vector<std::int64_t>{20, 40, 60});
  resumed.append(row_of(80));
  CHECK(steps_of(path) == std::vector<std::int64_t>{20, 40, 60, 80});
  const TableFile again(path, columns, 0);  // from the start
  CHECK(steps_of(path).empty());
  CHECK(read_file(path) == header + "\n");
}

TEST_CASE("table file: a last line that a crash cut off is no row", "[table_file]") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "metrics.csv";
  const std::string whole = header + "\n" + row_of(20) + "\n";
  const std::string last = row_of(40);
  for (std::size_t length = 0; length <= last.size(); ++length) {
    write_durably(path, whole + last.substr(0, length));
    TableFile file(path, columns, 1000);
    INFO("cut after " << last.substr(0, length));
    REQUIRE(steps_of(path) == std::vector<std::int64_t>{20});
    file.append(last);  // the next row starts on a new line
    REQUIRE(steps_of(path) == std::vector<std::int64_t>{20, 40});
  }
}

TEST_CASE("table file: lines that are no rows are left out, and an unwritable file is said once", "[table_file]") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "metrics.csv";
  const std::string row = row_of(20);
  write_durably(path, header + "\n" + row + "\n" + row + ",1\nx" + row + "\n\n1,2\n");
  CHECK(steps_of(path) == std::vector<std::int64_t>{20});
  const TableFile cleaned(path, columns, 1000);
  CHECK(read_file(path) == header + "\n" + row + "\n");

  std::vector<std::string> faults;
  const auto on_fault = [&](std::string_view fault) { faults.emplace_back(fault); };
  const auto nowhere = folder.path() / "nowhere" / "metrics.csv";
  TableFile unwritable(nowhere, columns, 0, on_fault);
  unwritable.append(row);
  REQUIRE(faults.size() == 1);
  CHECK_THAT(faults[0], Catch::Matchers::Contains("nowhere/metrics.csv lacks lines"));
  std::filesystem::create_directory(folder.path() / "nowhere");
  unwritable.append(row);
  CHECK(read_file(nowhere) == header + "\n" + row + "\n");  // with its header

  TableFile lost(folder.path() / "gone.csv", columns, 0, on_fault);
  std::filesystem::remove(folder.path() / "gone.csv");
  std::filesystem::create_directory(folder.path() / "gone.csv");
  lost.append(row);
  lost.append(row);
  REQUIRE(faults.size() == 2);
  CHECK_THAT(faults[1], Catch::Matchers::Contains("gone.csv"));
}

TEST_CASE("table file: of a row that a full disk cuts short nothing stays", "[table_file]") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "metrics.csv";
  std::vector<std::string> faults;
  TableFile file(path, columns, 0, [&](std::string_view fault) { faults.emplace_back(fault); });
  file.append(row_of(20));
  const std::string whole = read_file(path);

  rlimit limit{};
  getrlimit(RLIMIT_FSIZE, &limit);
  const auto usual = std::signal(SIGXFSZ, SIG_IGN);  // as in a program that handles the error
  const rlimit full{.rlim_cur = whole.size() + 9, .rlim_max = limit.rlim_max};
  setrlimit(RLIMIT_FSIZE, &full);
  file.append(row_of(40));
  file.append(row_of(60));
  setrlimit(RLIMIT_FSIZE, &limit);
  std::signal(SIGXFSZ, usual);

  CHECK(read_file(path) == whole);
  REQUIRE(faults.size() == 1);
  file.append(row_of(80));
  CHECK(steps_of(path) == std::vector<std::int64_t>{20, 80});
}
