#include "cpu/thread_pool.h"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <thread>
#include <vector>

#include "catch.h"

using namespace amnet;

namespace {

/// Counts how often each piece was done, and the pieces done by a worker whose number is out of
/// range or in use at the same time.
struct Tally {
  Tally(std::int64_t pieces, int workers) : done(static_cast<std::size_t>(pieces)), threads(workers) {}

  std::vector<int> done;
  int threads;
  std::array<std::atomic<bool>, 8> working{};
  std::atomic<int> wrong{0};

  bool each_once() const {
    for (const int times : done) {
      if (times != 1) return false;
    }
    return wrong == 0;
  }
};

void count(const void* of, std::int64_t piece, int worker) {
  auto& tally = *static_cast<Tally*>(const_cast<void*>(of));
  if (worker < 0 || worker >= tally.threads || tally.working[static_cast<std::size_t>(worker)].exchange(true)) {
    ++tally.wrong;
    return;
  }
  ++tally.done[static_cast<std::size_t>(piece)];
  tally.working[static_cast<std::size_t>(worker)] = false;
}

bool runs(ThreadPool& pool, int threads, std::int64_t pieces) {
  Tally tally(pieces, threads);
  pool.run(threads, pieces, count, &tally);
  return tally.each_once();
}

}  // namespace

TEST_CASE("thread_pool: every piece is done once, by a worker in range that does one at a time", "[thread_pool]") {
  ThreadPool pool;
  int wrong = 0;
  for (int job = 0; job < 20'000; ++job) wrong += runs(pool, 1 + job % 4, job % 23) ? 0 : 1;
  CHECK(wrong == 0);
  CHECK(runs(pool, 3, 100'000));
}

TEST_CASE("thread_pool: several callers, and pieces that call again, each get their work done", "[thread_pool]") {
  ThreadPool pool;
  std::atomic<int> wrong{0};
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 3; ++caller) {
    callers.emplace_back([&] {
      for (int job = 0; job < 2000; ++job) wrong += runs(pool, 3, 10) ? 0 : 1;
    });
  }
  for (std::thread& caller : callers) caller.join();
  CHECK(wrong == 0);

  struct Nested {
    ThreadPool& pool;
    std::atomic<int>& wrong;
  } nested{pool, wrong};
  pool.run(
      3, 50,
      [](const void* of, std::int64_t, int) {
        const auto& [inner, failures] = *static_cast<const Nested*>(of);
        failures += runs(inner, 3, 10) ? 0 : 1;
      },
      &nested);
  CHECK(wrong == 0);
}

TEST_CASE("thread_pool: the caller does not wait for a worker that has begun nothing", "[thread_pool]") {
  ThreadPool pool;
  REQUIRE(runs(pool, 3, 100));
  const pid_t child = fork();  // the child has none of the workers
  REQUIRE(child >= 0);
  if (child == 0) {
    alarm(20);
    _exit(runs(pool, 3, 100) ? 0 : 1);
  }
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}
