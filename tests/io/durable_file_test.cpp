#include "catch.h"

#include <amnet/io/durable_file.h>

#include <amnet/core/error.h>

#include <unistd.h>

#include <filesystem>
#include <iterator>
#include <span>
#include <stdexcept>
#include <string>

namespace {

using namespace amnet;
namespace fs = std::filesystem;

class ScratchDirectory {
 public:
  ScratchDirectory() : path_(fs::temp_directory_path() / fmt::format("amnet-durable-test-{}", ::getpid())) {
    fs::remove_all(path_);
    fs::create_directory(path_);
  }
  ~ScratchDirectory() { fs::remove_all(path_); }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  const fs::path& path() const { return path_; }
  auto files() const { return std::distance(fs::directory_iterator(path_), fs::directory_iterator()); }

 private:
  fs::path path_;
};

TEST_CASE("durable_file: a file is created, replaced, and nothing else is left beside it", "[durable_file]") {
  const ScratchDirectory scratch;
  const fs::path path = scratch.path() / "report.json";
  write_durably(path, "first");
  write_durably(path, [](const ByteSink& sink) {
    for (const std::string_view piece : {"sec", "", "ond"}) sink(std::as_bytes(std::span(piece)));
  });
  REQUIRE(read_file(path) == "second");
  REQUIRE(scratch.files() == 1);
}

TEST_CASE("durable_file: a writer that fails leaves the old bytes and no temporary file", "[durable_file]") {
  const ScratchDirectory scratch;
  const fs::path path = scratch.path() / "report.json";
  write_durably(path, "old");
  const auto failing = [](const ByteSink& sink) {
    sink(std::as_bytes(std::span(std::string_view("half of the new"))));
    throw std::runtime_error("interrupted");
  };
  REQUIRE_THROWS_AS(write_durably(path, failing), std::runtime_error);
  REQUIRE(read_file(path) == "old");
  REQUIRE(scratch.files() == 1);
  REQUIRE_THROWS_AS(write_durably(scratch.path() / "new.json", failing), std::runtime_error);
  REQUIRE(scratch.files() == 1);
}

TEST_CASE("durable_file: the old bytes are in place until the last byte is written", "[durable_file]") {
  const ScratchDirectory scratch;
  const fs::path path = scratch.path() / "report.json";
  write_durably(path, "old");
  write_durably(path, [&](const ByteSink& sink) {
    sink(std::as_bytes(std::span(std::string_view("new"))));
    REQUIRE(read_file(path) == "old");
  });
  REQUIRE(read_file(path) == "new");
}

TEST_CASE("durable_file: a symbolic link stays a link and its target is replaced", "[durable_file]") {
  const ScratchDirectory scratch;
  fs::create_directory(scratch.path() / "elsewhere");
  write_durably(scratch.path() / "elsewhere" / "target", "old");
  fs::create_symlink("elsewhere/target", scratch.path() / "link");
  write_durably(scratch.path() / "link", "new");
  REQUIRE(fs::is_symlink(scratch.path() / "link"));
  REQUIRE(read_file(scratch.path() / "elsewhere" / "target") == "new");
}

TEST_CASE("durable_file: what cannot be written or read is a file error with the path and the reason", "[durable_file]") {
  const ScratchDirectory scratch;
  const fs::path file = scratch.path() / "file";
  write_durably(file, "12345");
  REQUIRE_THROWS_WITH(write_durably(scratch.path() / "absent" / "x", "1"),
                      Catch::Contains((scratch.path() / "absent").string()) && Catch::Contains("No such file"));
  REQUIRE_THROWS_AS(write_durably(file / "x", "1"), FileError);
  REQUIRE_THROWS_AS(write_durably(scratch.path(), "1"), FileError);
  REQUIRE_THROWS_AS(read_file(scratch.path()), FileError);
  REQUIRE_THROWS_AS(read_file(scratch.path() / "absent"), FileError);
  REQUIRE_THROWS_AS(read_file(file, 4), DataError);
  REQUIRE(read_file(file, 5) == "12345");
}

TEST_CASE("durable_file: the place of an output is tried before the work, and nothing stays there", "[durable_file]") {
  const ScratchDirectory scratch;
  const fs::path file = scratch.path() / "file";
  write_durably(file, "old");
  probe_output(file);
  probe_output(scratch.path() / "new");
  probe_output("/dev/null");
  REQUIRE(std::distance(fs::directory_iterator(scratch.path()), fs::directory_iterator()) == 1);
  REQUIRE(read_file(file) == "old");
  REQUIRE_THROWS_WITH(probe_output(scratch.path() / "absent" / "x"), Catch::Contains("absent") && Catch::Contains("create it first"));
  REQUIRE_THROWS_AS(probe_output(file / "x"), FileError);
  REQUIRE_THROWS_AS(probe_output(scratch.path()), FileError);
}

}  // namespace
