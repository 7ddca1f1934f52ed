#include "thread_pool.h"

#include <algorithm>
#include <cassert>
#include <system_error>

namespace amnet {
namespace {

constexpr int worker_bits = 16;
// about a millisecond: longer than a worker waits for the last piece of another, less than a time
// slice
constexpr int spins = 20000;

void pause() {
#if defined(__SSE2__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Waits until `value` is no longer `old`: spins for a while, then sleeps.
void wait_while(const std::atomic<std::uint32_t>& value, std::uint32_t old) {
  for (int i = 0; i < spins; ++i) {
    if (value.load(std::memory_order_acquire) != old) return;
    pause();
  }
  value.wait(old, std::memory_order_acquire);
}

/// Whether this thread runs a piece now: the pool is then in use.
thread_local bool runs_a_piece = false;

}  // namespace

ThreadPool& ThreadPool::of_process() {
  // Never destroyed: a process that was forked has none of its threads to join when it exits.
  static ThreadPool& pool = *new ThreadPool;
  return pool;
}

ThreadPool::~ThreadPool() {
  ends_ = true;
  ++jobs_;
  jobs_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::run(int threads, std::int64_t pieces, Work work, const void* body) {
  std::unique_lock<std::mutex> lock(busy_, std::defer_lock);
  if (threads <= 1 || pieces <= 1 || runs_a_piece || !lock.try_lock()) {
    for (std::int64_t piece = 0; piece < pieces; ++piece) work(body, piece, 0);
    return;
  }
  try {
    while (static_cast<std::int64_t>(workers_.size()) < std::min<std::int64_t>(threads, pieces) - 1) {
      workers_.emplace_back([this, worker = static_cast<int>(workers_.size()) + 1] { serve(worker); });
    }
  } catch (const std::system_error&) {
    // The system gives no more threads: the existing ones do all the work.
  }
  assert(pieces < std::int64_t{1} << 32 && threads < 1 << worker_bits);
  work_ = work;
  body_ = body;
  pieces_ = pieces;
  unfinished_.store(static_cast<std::uint32_t>(pieces), std::memory_order_relaxed);
  open_.store(static_cast<std::uint64_t>(pieces) << worker_bits | static_cast<std::uint64_t>(threads), std::memory_order_release);
  jobs_.fetch_add(1, std::memory_order_release);
  jobs_.notify_all();
  do_pieces(0);
  for (std::uint32_t left = unfinished_; left != 0; left = unfinished_) wait_while(unfinished_, left);
}

void ThreadPool::serve(int worker) {
  while (!ends_) {
    const std::uint32_t seen = jobs_.load(std::memory_order_acquire);
    do_pieces(worker);
    if (!ends_) wait_while(jobs_, seen);
  }
}

void ThreadPool::do_pieces(int worker) {
  std::uint64_t open = open_.load(std::memory_order_acquire);
  while (open >> worker_bits != 0 && static_cast<std::uint64_t>(worker) < (open & ((1U << worker_bits) - 1))) {
    if (!open_.compare_exchange_weak(open, open - (std::uint64_t{1} << worker_bits), std::memory_order_acq_rel)) continue;
    runs_a_piece = true;
    work_(body_, pieces_ - static_cast<std::int64_t>(open >> worker_bits), worker);
    runs_a_piece = false;
    if (unfinished_.fetch_sub(1, std::memory_order_acq_rel) == 1 && worker != 0) unfinished_.notify_one();
    open = open_.load(std::memory_order_acquire);
  }
}

}  // namespace amnet
