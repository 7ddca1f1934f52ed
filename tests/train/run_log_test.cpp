#include <amnet/io/durable_file.h>
#include <amnet/train/run_log.h>

#include <algorithm>
#include <regex>
#include <vector>

#include "catch.h"
#include "data/test_images.h"

using namespace amnet;
using test_images::TemporaryFolder;

TEST_CASE("run log: a line has its time, goes to the echo too, and lies in the file at once", "[run_log]") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "train.log";
  std::vector<std::string> echoed;
  RunLog log(path, [&](std::string_view line) { echoed.emplace_back(line); });
  log.line("first");
  CHECK(read_file(path) == echoed.at(0) + "\n");
  CHECK(std::regex_match(echoed[0], std::regex(R"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d first)")));
  log.line("second");
  RunLog(path, {}).line("third");  // another process: appends, and may have no echo
  const std::string text = read_file(path);
  CHECK(text.substr(0, text.find('\n')) == echoed[0]);
  CHECK(std::regex_search(text, std::regex(" second\n.* third\n$")));
  CHECK(echoed.size() == 2);
}

TEST_CASE("run log: a resume leaves nothing about steps that come again", "[run_log]") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "train.log";
  RunLog log(path, {});
  const std::vector<std::string> kept = {
      "amnet 0.1.0, AVX2, 2 threads",
      "Speed 100.0 samples/sec  Loss 9.1  Epoch 0.10  Step 20/300  Wait 0.1%",
      "[val][20] Accuracy 71.00+-2.00%  Best 71.00% @20",
      "saved step_00000020",
      "list: 300 images, Step by step",  // a word, not a step
  };
  const std::vector<std::string> cut = {
      "Speed 101.0 samples/sec  Loss 8.1  Epoch 0.11  Step 21/300  Wait 0.1%",
      "[val][40] Accuracy 73.00+-2.00%  Best 73.00% @40",
      "saved step_00000040",
      "Speed 101.0 samples/sec  Loss 8.1  Epoch 1.50  Step 300/300  Wait 0.1%",
  };
  for (std::size_t i = 0; i < kept.size(); ++i) {
    log.line(kept[i]);
    if (i < cut.size()) log.line(cut[i]);
  }
  log.cut_after(20);
  const std::string text = read_file(path);
  CHECK(static_cast<std::size_t>(std::ranges::count(text, '\n')) == kept.size());
  for (const std::string& each : kept) CHECK(text.find(" " + each + "\n") != std::string::npos);
  for (const std::string& each : cut) CHECK(text.find(each) == std::string::npos);

  log.line("Resumed");
  CHECK(read_file(path).ends_with(" Resumed\n"));
  log.cut_after(0);
  CHECK(read_file(path).find("Step 20") == std::string::npos);
  CHECK(read_file(path).find(" amnet 0.1.0") != std::string::npos);
}

TEST_CASE("run log: a line that a crash cut off ends before the next begins", "[run_log]") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "train.log";
  write_durably(path, "2026-11-23 12:00:00 Speed 1.0 samples/sec  Step 20/300  Wait 0.0%\n2026-11-23 12:00:01 Spee");
  RunLog log(path, {});
  log.cut_after(20);
  log.line("Resumed");
  CHECK(std::regex_match(read_file(path), std::regex(".*Step 20/300.*\n.* Spee\n.* Resumed\n")));
}

TEST_CASE("run log: a file that is not there is nothing to cut, one that cannot be written is said once", "[run_log]") {
  const TemporaryFolder folder;
  RunLog absent(folder.path() / "train.log", {});
  absent.cut_after(5);
  CHECK_FALSE(std::filesystem::exists(folder.path() / "train.log"));
  const auto path = folder.path() / "nowhere" / "train.log";
  std::vector<std::string> echoed;
  RunLog unwritable(path, [&](std::string_view line) { echoed.emplace_back(line); });
  unwritable.line("first");
  unwritable.line("second");
  REQUIRE(echoed.size() == 3);
  CHECK_THAT(echoed[0], Catch::Matchers::Contains("nowhere/train.log lacks lines") && Catch::Matchers::Contains("No such file"));
  CHECK_THAT(echoed[1], Catch::Matchers::EndsWith(" first"));
  CHECK_THAT(echoed[2], Catch::Matchers::EndsWith(" second"));
  std::filesystem::create_directory(folder.path() / "nowhere");
  unwritable.line("third");  // the folder exists again
  CHECK(read_file(path) == echoed.at(3) + "\n");
}

TEST_CASE("run log: a line is one line of UTF-8, whatever a file is called", "[run_log]") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "train.log";
  RunLog log(path, {});
  log.line("skipped caf\xE9\n2026-11-23 12:00:00 saved step_00000099");
  CHECK(read_file(path).substr(20) == "skipped caf\xEF\xBF\xBD\\n2026-11-23 12:00:00 saved step_00000099\n");
}
