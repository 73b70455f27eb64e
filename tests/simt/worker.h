// A worker runs blocks of a grid on one OS thread: several at a time, one thread of theirs after the other, and picks
// who comes next.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "tests/simt/block.h"
#include "tests/simt/checker.h"
#include "tests/simt/grid.h"

namespace simt {

/// A grid under way, on all workers.
struct GridRun {
  const Grid& grid;
  std::uint64_t seed;
  std::uint64_t blocks;
  std::uint32_t first_instance = 0;
  std::uint64_t factor = 1, offset = 0;  ///< of the order of blocks
  std::atomic<std::uint64_t> next{0};
  std::atomic<bool> stop{false};
  std::mutex mutex{};
  std::string fault{};
};

class Worker {
 public:
  explicit Worker(unsigned number);

  /// Runs blocks of the grid until none is left, or a fault.
  void run(GridRun& run);

  // Calls of the running thread.
  int barrier(Call call, bool predicate, const Where& where);
  void warp_call(const WarpCall& call);
  void yield();
  void maybe_yield();
  void* shared_variable(const void* key, std::size_t bytes, std::size_t alignment);
  /// Ends the grid. What the calling threads' stacks hold is never destroyed, so `what` must be all that is left of its
  /// making.
  [[noreturn]] void fault(unsigned thread, std::string&& what);

  const Grid& grid() const { return run_->grid; }
  Block& block() { return *block_; }
  unsigned thread() const { return thread_; }

 private:
  static void entry();
  bool admit();
  void retire();
  bool pick();
  void enter();
  void leave(Block* to);
  void go(Fiber& from, bool last);
  Block* other_block();
  void run_thread();
  bool finish_thread();
  std::uint64_t random();
  void report_fault();

  GridRun* run_ = nullptr;
  Block* block_ = nullptr;  ///< of the running thread
  unsigned thread_ = 0;
  Fiber main_;
  Stacks stacks_;
  std::vector<std::unique_ptr<Block>> idle_, resident_;
  char* room_ = nullptr;  ///< for shared memory of kMostResident blocks
  std::size_t rooms_used_ = 0;
  std::uint64_t rng_ = 1, stalled_ = 0, turn_ = 0;
  unsigned atomics_ = 0;
  Fault fault_;  ///< that ended the grid; of a thread of `block_`
};

/// What runs on this OS thread, for the checks: they look at it before each access.
struct Running {
  Worker* worker = nullptr;      ///< null: host code
  bool checked = false;          ///< the kernel itself runs
  std::uintptr_t stack = 0;      ///< lowest address of the running thread's
  std::uintptr_t arguments = 0;  ///< of the kernel, which any thread may read
  std::size_t argument_bytes = 0;
};
extern constinit thread_local Running running;

/// While it lives, accesses on this OS thread are the emulator's own: of functions that it and kernels both use, such
/// as the standard library's, the linker may have kept the kernels' instrumented ones.
class Unchecked {
 public:
  Unchecked() : before_(running.checked) { running.checked = false; }
  ~Unchecked() { running.checked = before_; }
  Unchecked(const Unchecked&) = delete;
  Unchecked& operator=(const Unchecked&) = delete;

 private:
  bool before_;
};

}  // namespace simt
