#include "catch.h"

#include <amnet/core/error.h>
#include <amnet/io/durable_file.h>
#include <amnet/io/folder_lock.h>

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

namespace {

using namespace amnet;
using Catch::Contains;
namespace fs = std::filesystem;

class Scratch {
 public:
  Scratch() { fs::remove_all(path_); }
  ~Scratch() { fs::remove_all(path_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_ = fs::temp_directory_path() / fmt::format("amnet-folder-lock-test-{}", ::getpid());
};

std::string this_process() {
  std::array<char, 256> host = {};
  REQUIRE(::gethostname(host.data(), host.size() - 1) == 0);
  return fmt::format("process {} on {} is writing", ::getpid(), host.data());
}

TEST_CASE("folder lock: a second one is refused by whatever path, and names the first", "[folder_lock]") {
  const Scratch scratch;
  fs::create_directories(scratch.path());
  {
    const FolderLock lock(scratch.path());
    REQUIRE(lock.held());
    REQUIRE(lock.missing().empty());
    REQUIRE_THROWS_AS(FolderLock(scratch.path()), FileError);
    REQUIRE_THROWS_WITH(FolderLock(scratch.path() / "." / ".." / scratch.path().filename()), Contains(this_process()));
    fs::create_directory_symlink(scratch.path(), scratch.path() / "link");
    REQUIRE_THROWS_WITH(FolderLock(scratch.path() / "link"), Contains(this_process()));
    REQUIRE_NOTHROW(FolderLock(scratch.path() / "inner"));
  }
  REQUIRE_FALSE(fs::exists(scratch.path() / ".lock"));
  REQUIRE(FolderLock(scratch.path()).held());
}

TEST_CASE("folder lock: it goes with its process, however that ends", "[folder_lock]") {
  const Scratch scratch;
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const std::optional<FolderLock> lock(std::in_place, scratch.path());
    ::_exit(0);  // as after a kill: the file is not removed
  }
  REQUIRE(::waitpid(child, nullptr, 0) == child);
  REQUIRE(fs::exists(scratch.path() / ".lock"));
  const FolderLock lock(scratch.path());
  REQUIRE(lock.held());
  REQUIRE(read_file(scratch.path() / ".lock").find(fmt::format("process {} on ", ::getpid())) == 0);
}

TEST_CASE("folder lock: a folder that it made goes again, unless something came into it", "[folder_lock]") {
  const Scratch scratch;
  { const FolderLock lock(scratch.path() / "a" / "b"); }
  REQUIRE_FALSE(fs::exists(scratch.path()));
  {
    const FolderLock lock(scratch.path() / "a" / "b");
    std::ofstream(scratch.path() / "a" / "kept") << "mine";
  }
  REQUIRE(fs::exists(scratch.path() / "a" / "kept"));
  REQUIRE_FALSE(fs::exists(scratch.path() / "a" / "b"));
  fs::create_directory(scratch.path() / "empty");
  { const FolderLock lock(scratch.path() / "empty"); }
  REQUIRE(fs::is_empty(scratch.path() / "empty"));
}

TEST_CASE("folder lock: what cannot be a folder, or cannot be written to, is a file error", "[folder_lock]") {
  const Scratch scratch;
  fs::create_directories(scratch.path() / "taken" / ".lock");
  std::ofstream(scratch.path() / "file") << "in the way";
  REQUIRE_THROWS_AS(FolderLock(scratch.path() / "file"), FileError);
  REQUIRE_THROWS_AS(FolderLock(scratch.path() / "file" / "x"), FileError);
  REQUIRE_THROWS_WITH(FolderLock(scratch.path() / "taken"), Contains(".lock"));
  fs::create_directory(scratch.path() / "linked");
  fs::create_symlink(scratch.path() / "file", scratch.path() / "linked" / ".lock");
  REQUIRE_THROWS_AS(FolderLock(scratch.path() / "linked"), FileError);
  REQUIRE(read_file(scratch.path() / "file") == "in the way");
}

}  // namespace
