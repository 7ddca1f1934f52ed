// Results in order, computed by several threads: the bounded queue of the loader.
#pragma once

#include <amnet/core/error.h>

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

namespace amnet {

/// Runs jobs 0, 1, 2, ... on `workers` threads and returns their results in that order, even if a
/// later one is done first. At most `depth` jobs are running or waiting to be taken. `plan(n)` is
/// called in ascending order, one call at a time, and returns the job; a job that sees its stop
/// token set may return early, its result is discarded.
template <class Result>
class Pipeline {
 public:
  using Job = std::function<Result(std::stop_token)>;
  using Plan = std::function<Job(std::int64_t)>;

  /// `jobs` is the number of jobs; -1 for no end.
  Pipeline(int workers, int depth, std::int64_t jobs, Plan plan)
      : plan_(std::move(plan)), jobs_(jobs), slots_(static_cast<std::size_t>(depth)) {
    require(workers >= 1 && workers <= 1024, "[loader] expected from 1 to 1024 workers but got {}.", workers);
    require(depth >= 1, "[loader] expected a queue of at least 1 but got {}.", depth);
    try {
      for (int i = 0; i < workers; ++i) threads_.emplace_back([this](std::stop_token stop) { work(stop); });
    } catch (const std::system_error& error) {
      throw MemoryError(fmt::format("[loader] thread {} of {} could not be started ({}); use fewer workers.", threads_.size() + 1, workers,
                                    error.code().message()));
    }
  }
  ~Pipeline() {
    for (std::jthread& thread : threads_) thread.request_stop();
  }
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

  /// The next result in order; nothing after the last. Rethrows what the job threw, now and at
  /// every later call.
  std::optional<Result> next() {
    std::unique_lock lock(mutex_);
    if (taken_ == jobs_) return std::nullopt;
    Slot& slot = slot_of(taken_);
    changed_.wait(lock, [&] { return slot.result || slot.error; });
    if (slot.error) std::rethrow_exception(slot.error);
    std::optional<Result> result = std::exchange(slot.result, std::nullopt);
    ++taken_;
    changed_.notify_all();
    return result;
  }

 private:
  struct Slot {
    std::optional<Result> result;
    std::exception_ptr error;
  };

  Slot& slot_of(std::int64_t job) { return slots_[static_cast<std::size_t>(job) % slots_.size()]; }

  void work(const std::stop_token& stop) {
    for (;;) {
      std::unique_lock lock(mutex_);
      const auto free_or_over = [&] { return planned_ == jobs_ || planned_ < taken_ + static_cast<std::int64_t>(slots_.size()); };
      if (!changed_.wait(lock, stop, free_or_over) || planned_ == jobs_) return;
      const std::int64_t number = planned_++;
      Slot done;
      try {
        const Job job = plan_(number);
        lock.unlock();
        done.result = job(stop);
      } catch (...) {
        done.error = std::current_exception();
      }
      if (!lock.owns_lock()) lock.lock();
      slot_of(number) = std::move(done);
      changed_.notify_all();
    }
  }

  Plan plan_;
  std::int64_t jobs_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::vector<Slot> slots_;            // job n in slot n modulo depth
  std::int64_t planned_ = 0;           // jobs handed to workers
  std::int64_t taken_ = 0;             // results handed out
  std::vector<std::jthread> threads_;  // last: they end before what they use
};

}  // namespace amnet
