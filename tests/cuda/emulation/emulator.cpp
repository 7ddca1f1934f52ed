#include "emulator.h"

#include "fake_cuda.h"

#include <ucontext.h>

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <memory>
#include <numeric>
#include <random>
#include <stdexcept>
#include <utility>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

namespace amnet::emulation {
namespace {

ThreadOrder thread_order = ThreadOrder::rising;

constexpr std::size_t stack_bytes = std::size_t{64} << 10;

/// The address sanitizer must be told which stack the program runs on.
class StackSwitch {
 public:
  void leave([[maybe_unused]] const void* bottom, [[maybe_unused]] std::size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(&fake_stack_, bottom, bytes);
#endif
  }
  void leave_for_good([[maybe_unused]] const void* bottom, [[maybe_unused]] std::size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(nullptr, bottom, bytes);
#endif
  }
  /// The stack that the program came from is kept in `bottom` and `bytes`.
  void arrive([[maybe_unused]] const void** bottom = nullptr, [[maybe_unused]] std::size_t* bytes = nullptr) {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(fake_stack_, bottom, bytes);
#endif
  }

 private:
  [[maybe_unused]] void* fake_stack_ = nullptr;
};

enum class Waits : unsigned char { nothing, barrier, exchange };

struct Fiber {
  ucontext_t context{};
  std::unique_ptr<std::byte[]> stack = std::make_unique<std::byte[]>(stack_bytes);
  StackSwitch stack_switch;
  Waits waits = Waits::nothing;
  bool done = false;
  std::uint64_t offered = 0, received = 0;  // by an exchange
  int mask = 0;
  std::exception_ptr error;
};

}  // namespace

/// Runs one block after the other. Its fibers are reused for the next block: making them takes
/// longer than most kernels.
class Block {
 public:
  void run_grid(std::int64_t blocks, int threads, std::size_t shared_bytes, const std::function<void(const Thread&)>& body) {
    blocks_ = blocks;
    threads_ = threads;
    body_ = &body;
    while (fibers_.size() < static_cast<std::size_t>(threads)) fibers_.push_back(std::make_unique<Fiber>());
    for (index_ = 0; index_ < blocks; ++index_) {
      // of its exact size: a sanitizer detects an access after its end
      shared_ = std::make_unique<std::byte[]>(shared_bytes);
      std::fill_n(shared_.get(), shared_bytes, std::byte{0xff});
      run_block();
    }
  }

  std::int64_t blocks() const { return blocks_; }
  std::int64_t index() const { return index_; }
  int threads() const { return threads_; }
  void* shared() const { return shared_.get(); }

  void barrier(int thread) { wait(fiber(thread), Waits::barrier); }
  std::uint64_t exchange(int thread, std::uint64_t bits, int mask) {
    Fiber& self = fiber(thread);
    self.offered = bits;
    self.mask = mask;
    wait(self, Waits::exchange);
    return self.received;
  }

 private:
  Fiber& fiber(int thread) { return *fibers_[static_cast<std::size_t>(thread)]; }

  void run_block() {
    std::vector<int> order(static_cast<std::size_t>(threads_));
    std::iota(order.begin(), order.end(), 0);
    if (thread_order == ThreadOrder::falling) std::ranges::reverse(order);
    for (const int t : order) start(fiber(t));
    for (int left = threads_; left > 0;) {
      if (thread_order == ThreadOrder::shuffled) std::ranges::shuffle(order, random_);
      bool moved = false;
      for (const int t : order) {
        Fiber& next = fiber(t);
        if (next.done || next.waits != Waits::nothing) continue;
        moved = true;
        running_ = t;
        switch_to(next);
        if (next.error) std::rethrow_exception(std::exchange(next.error, nullptr));
        left -= next.done ? 1 : 0;
      }
      moved = release_warps() || moved;
      moved = release_barrier(left) || moved;
      if (!moved) throw std::logic_error("a block stands still: a barrier or an exchange that some of its threads never reach");
    }
  }

  /// An exchange completes when all 32 threads of the warp have reached one, with the same mask.
  bool release_warps() {
    bool released = false;
    for (int first = 0; first < threads_; first += 32) {
      const int mask = fiber(first).mask;
      int waiting = 0;
      for (int t = first; t < first + 32; ++t) waiting += fiber(t).waits == Waits::exchange && fiber(t).mask == mask ? 1 : 0;
      if (waiting != 32) continue;
      for (int lane = 0; lane < 32; ++lane) {
        fiber(first + lane).received = fiber(first + (lane ^ mask)).offered;
        fiber(first + lane).waits = Waits::nothing;
      }
      released = true;
    }
    return released;
  }

  bool release_barrier(int left) {
    int waiting = 0;
    for (int t = 0; t < threads_; ++t) waiting += fiber(t).waits == Waits::barrier ? 1 : 0;
    if (left == 0 || waiting != left) return false;
    if (left != threads_) throw std::logic_error("some threads of a block have left its kernel while others wait at a barrier");
    for (int t = 0; t < threads_; ++t) fiber(t).waits = Waits::nothing;
    return true;
  }

  void start(Fiber& fiber) {
    fiber.done = false;
    fiber.stack_switch = {};  // the state from a kernel that was left early is reset
    fiber.waits = Waits::nothing;
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack.get();
    fiber.context.uc_stack.ss_size = stack_bytes;
    fiber.context.uc_link = nullptr;
    makecontext(&fiber.context, &Block::enter, 0);
  }

  static Block& of_this_process() {
    static Block block;
    return block;
  }
  friend cudaError_t launch(cudaStream_t, std::int64_t, int, std::size_t, std::function<void(const Thread&)>);

  /// Where a fiber begins; it never returns.
  static void enter() {
    Block& block = of_this_process();
    const int thread = block.running_;
    Fiber& self = block.fiber(thread);
    self.stack_switch.arrive(&block.scheduler_bottom_, &block.scheduler_bytes_);
    try {
      (*block.body_)(Thread(block, thread));
    } catch (...) {
      self.error = std::current_exception();
    }
    self.done = true;
    self.stack_switch.leave_for_good(block.scheduler_bottom_, block.scheduler_bytes_);
    setcontext(&block.scheduler_);
    std::abort();
  }

  void switch_to(Fiber& to) {
    scheduler_switch_.leave(to.stack.get(), stack_bytes);
    swapcontext(&scheduler_, &to.context);
    scheduler_switch_.arrive();
  }
  void wait(Fiber& self, Waits what) {
    self.waits = what;
    self.stack_switch.leave(scheduler_bottom_, scheduler_bytes_);
    swapcontext(&self.context, &scheduler_);
    self.stack_switch.arrive(&scheduler_bottom_, &scheduler_bytes_);
  }

  std::int64_t blocks_ = 0, index_ = 0;
  int threads_ = 0, running_ = 0;
  std::unique_ptr<std::byte[]> shared_;
  std::vector<std::unique_ptr<Fiber>> fibers_;
  const std::function<void(const Thread&)>* body_ = nullptr;
  ucontext_t scheduler_{};
  StackSwitch scheduler_switch_;
  const void* scheduler_bottom_ = nullptr;
  std::size_t scheduler_bytes_ = 0;
  std::mt19937 random_{1};
};

int Thread::threads() const { return block_.threads(); }
std::int64_t Thread::block() const { return block_.index(); }
std::int64_t Thread::blocks() const { return block_.blocks(); }
void Thread::barrier() const { block_.barrier(index_); }
std::uint64_t Thread::exchange_bits(std::uint64_t bits, int mask) const { return block_.exchange(index_, bits, mask); }
void* Thread::shared_memory() const { return block_.shared(); }

void set_thread_order(ThreadOrder order) { thread_order = order; }

cudaError_t launch(cudaStream_t stream, std::int64_t blocks, int threads, std::size_t shared_bytes,
                   std::function<void(const Thread&)> body) {
  // Launches that every GPU refuses.
  const bool has_a_grid = blocks > 0 && blocks < (std::int64_t{1} << 31) && threads > 0 && threads <= 1024;
  if (!has_a_grid || shared_bytes > std::size_t{48} << 10) return fake::refuse(cudaErrorInvalidConfiguration);
  return fake::enqueue(stream, "a kernel",
                       [=, body = std::move(body)] { Block::of_this_process().run_grid(blocks, threads, shared_bytes, body); });
}

}  // namespace amnet::emulation
