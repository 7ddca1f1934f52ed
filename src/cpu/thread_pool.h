// The threads that share the kernels' work: one pool in the process, which grows to the largest
// number that was requested.
//
// Why not OpenMP's: its barrier waits for every thread of a team, also for one that has not run
// yet, and GNU's spins for milliseconds meanwhile. With one other busy process on two cores,
// training at width 0.25 kept 26 % of its speed, and 53 % with passive waiting. Here the caller
// waits only for pieces that a worker has begun, and every thread spins for a millisecond at most
// before it sleeps: 52 to 59 %, of a fair share of 67 %. Without another process the two are equal.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace amnet {

class ThreadPool {
 public:
  using Work = void (*)(const void* body, std::int64_t piece, int worker);

  static ThreadPool& of_process();
  ThreadPool() = default;
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;
  ~ThreadPool();

  /// Calls work(body, piece, worker) for every piece in [0, pieces), less than 2^32, on the calling
  /// thread, which is worker 0, and up to `threads` - 1 others; worker is in [0, threads). The
  /// calling thread does all of them while another thread uses the pool, or from within work.
  void run(int threads, std::int64_t pieces, Work work, const void* body);

 private:
  void serve(int worker);
  void do_pieces(int worker);

  std::mutex busy_;  // one caller at a time
  std::vector<std::thread> workers_;
  // The job. It is read only by threads that hold a piece of it, so it does not change until they
  // are done.
  Work work_ = nullptr;
  const void* body_ = nullptr;
  std::int64_t pieces_ = 0;
  /// Pieces that no thread has begun, and in the lowest bits how many workers may begin one.
  alignas(64) std::atomic<std::uint64_t> open_{0};
  alignas(64) std::atomic<std::uint32_t> unfinished_{0};
  alignas(64) std::atomic<std::uint32_t> jobs_{0};  ///< number of jobs: idle workers watch it
  std::atomic<bool> ends_{false};
};

}  // namespace amnet
