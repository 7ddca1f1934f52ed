#include "catch.h"

#include <amnet/core/device.h>
#include <amnet/core/error.h>
#include <amnet/core/processors.h>

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

namespace {

using namespace amnet;
namespace fs = std::filesystem;

/// A made-up /proc and /sys.
class System {
 public:
  System() { fs::remove_all(path_); }
  ~System() { fs::remove_all(path_); }
  System(const System&) = delete;
  System& operator=(const System&) = delete;

  const fs::path& path() const { return path_; }
  void write(const std::string& file, const std::string& text) const {
    fs::create_directories((path_ / file).parent_path());
    std::ofstream(path_ / file) << text;
  }

 private:
  fs::path path_ = fs::temp_directory_path() / fmt::format("amnet-processors-test-{}", ::getpid());
};

TEST_CASE("processors: without control groups, or without a limit, there is no quota", "[processors]") {
  const System system;
  CHECK_FALSE(processor_quota(system.path()).has_value());
  system.write("proc/self/cgroup", "0::/\n");
  system.write("proc/self/mountinfo", "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n");
  CHECK_FALSE(processor_quota(system.path()).has_value());  // the topmost group has no cpu.max
  for (const char* no_limit : {"max 100000\n", "max\n", "", "100000\n", "100000 0\n", "-1 100000\n", "many 100000\n"}) {
    system.write("sys/fs/cgroup/cpu.max", no_limit);
    CHECK_FALSE(processor_quota(system.path()).has_value());
  }
}

TEST_CASE("processors: the least quota of the group and those above it counts, version 2", "[processors]") {
  const System system;
  system.write("proc/self/cgroup", "0::/jobs.slice/job-7.scope\n");
  system.write("proc/self/mountinfo",
               "22 1 8:1 / / rw - ext4 /dev/root rw\n"
               "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw\n");
  system.write("sys/fs/cgroup/jobs.slice/job-7.scope/cpu.max", "max 100000\n");
  CHECK_FALSE(processor_quota(system.path()).has_value());
  system.write("sys/fs/cgroup/jobs.slice/cpu.max", "250000 100000\n");
  CHECK(processor_quota(system.path()) == 2.5);
  system.write("sys/fs/cgroup/jobs.slice/job-7.scope/cpu.max", "50000 100000\n");
  CHECK(processor_quota(system.path()) == 0.5);
  system.write("sys/fs/cgroup/other.slice/cpu.max", "1000 100000\n");
  CHECK(processor_quota(system.path()) == 0.5);
}

TEST_CASE("processors: a container sees its own group as the topmost, version 2", "[processors]") {
  const System system;
  system.write("sys/fs/cgroup/cpu.max", "150000 100000\n");
  system.write("proc/self/mountinfo", "30 23 0:26 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n");
  // the last is not visible here
  for (const char* group : {"0::/\n", "0::/../sibling\n", "0::/system.slice/docker-1f.scope\n"}) {
    system.write("proc/self/cgroup", group);
    CHECK(processor_quota(system.path()) == 1.5);
  }
}

TEST_CASE("processors: quota and period of version 1, in a container with and without a namespace of groups", "[processors]") {
  const System system;
  const std::string others =
      "32 31 0:29 / /sys/fs/cgroup/cpuset ro - cgroup cgroup rw,cpuset\n38 31 0:35 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
  system.write("proc/self/cgroup", "5:cpuset:/\n4:cpu,cpuacct:/docker/1f\n0::/\n");
  system.write("proc/self/mountinfo", others + "33 31 0:30 /docker/1f /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n");
  system.write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  system.write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
  CHECK_FALSE(processor_quota(system.path()).has_value());
  system.write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "300000\n");
  CHECK(processor_quota(system.path()) == 3.0);

  system.write("proc/self/mountinfo", others + "33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n");
  system.write("sys/fs/cgroup/cpu,cpuacct/docker/1f/cpu.cfs_period_us", "50000\n");
  system.write("sys/fs/cgroup/cpu,cpuacct/docker/1f/cpu.cfs_quota_us", "100000\n");
  CHECK(processor_quota(system.path()) == 2.0);
  system.write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "20000\n");  // of a parent group
  CHECK(processor_quota(system.path()) == 0.2);
}

TEST_CASE("processors: a mount at a path with a blank, and damaged files, are read as they are", "[processors]") {
  const System system;
  system.write("proc/self/cgroup", "\n0:\n::\n0::/a b\n");
  system.write("proc/self/mountinfo",
               "\n1 2 3\n- -\n30 23 0:26 / /control\\040groups rw - cgroup2\n"
               "30 23 0:26 / /control\\040groups rw - cgroup2 cgroup2 rw\n");
  system.write("control groups/a b/cpu.max", "200000 100000\n");
  CHECK(processor_quota(system.path()) == 2.0);
}

TEST_CASE("processors: the affinity mask counts, and is what a Cpu takes", "[processors]") {
  CHECK(Cpu().threads() == usable_processors());
  CHECK(default_workers() == std::min(8, usable_processors()));
  int pinned = 0;
  std::thread([&] {  // a mask belongs to a thread
    cpu_set_t mask;
    if (sched_getaffinity(0, sizeof mask, &mask) != 0) return;
    int first = 0;
    while (!CPU_ISSET(static_cast<unsigned>(first), &mask)) ++first;
    CPU_ZERO(&mask);
    CPU_SET(static_cast<unsigned>(first), &mask);
    if (sched_setaffinity(0, sizeof mask, &mask) == 0) pinned = usable_processors();
  })
      .join();
  CHECK(pinned == 1);
}

}  // namespace
