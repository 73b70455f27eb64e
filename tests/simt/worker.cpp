// Uniformly random threads find few faults, since all of them get on alike. So one warp runs as far ahead as it can,
// which one being drawn anew at each barrier of its block: that finds what is read too early as well as what is
// overwritten too early. Atomics and fences are where threads that talk to each other may meet in any order.
#include "tests/simt/worker.h"

#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <utility>

#include "tests/simt/report.h"

// Device code sees them as constants (device/builtins.h).
constinit thread_local uint3 threadIdx{}, blockIdx{}, blockDim{}, gridDim{};

namespace simt {

constinit thread_local Running running;

namespace {

constexpr std::size_t kMostResident = 1024;
constexpr std::uint64_t kStallOfMore = 4096;       ///< yields without an exit after which another block may help
constexpr std::uint64_t kStallOfAll = 1ull << 25;  ///< and after which nobody can
constexpr unsigned kAtomicsInOrder = 64;

}  // namespace

Worker::Worker(unsigned number) {
  const std::size_t bytes = kMostResident * Block::kSharedRoom;
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    std::fprintf(stderr, "simt: no addresses for shared memory\n");
    std::abort();
  }
  room_ = static_cast<char*>(memory);
  if (number == 0) check::shared_room(room_, bytes);
}

std::uint64_t Worker::random() {
  rng_ ^= rng_ << 13;
  rng_ ^= rng_ >> 7;
  rng_ ^= rng_ << 17;
  return rng_ >> 16;
}

bool Worker::admit() {
  if (run_->stop || resident_.size() == kMostResident) return false;
  const std::uint64_t ticket = run_->next.fetch_add(1);
  if (ticket >= run_->blocks) return false;
  if (idle_.empty()) idle_.push_back(std::make_unique<Block>(room_ + rooms_used_++ * Block::kSharedRoom));
  std::unique_ptr<Block> block = std::move(idle_.back());
  idle_.pop_back();
  const std::uint64_t number = (ticket * run_->factor + run_->offset) % run_->blocks;
  block->begin(run_->grid, number, run_->first_instance + static_cast<std::uint32_t>(number));
  if (run_->seed > 0) block->shuffle_warps([this] { return random(); });
  resident_.push_back(std::move(block));
  return true;
}

/// The current block has run to its end: another one takes its place.
void Worker::retire() {
  for (auto& block : resident_) {
    if (block.get() != block_) continue;
    block->end();
    idle_.push_back(std::move(block));
    block = std::move(resident_.back());
    resident_.pop_back();
    break;
  }
  block_ = nullptr;
  admit();
}

/// Chooses who runs next; false: nobody is left.
bool Worker::pick() {
  if (!block_ || !block_->has_ready()) {
    block_ = nullptr;
    const std::size_t n = resident_.size(), first = run_->seed > 0 && n > 1 ? random() % n : 0;
    for (std::size_t i = 0; i < n && !block_; ++i)
      if (resident_[(first + i) % n]->has_ready()) block_ = resident_[(first + i) % n].get();
    if (!block_) return false;
  }
  thread_ = block_->take_ready(run_->seed > 0 ? static_cast<unsigned>(random() % kWarpLanes) : 0);
  return true;
}

/// Makes the picked thread the running one.
void Worker::enter() {
  const Grid& grid = run_->grid;
  const auto b = block_->number();
  const dim3 &all = grid.blocks, &size = grid.threads;
  blockIdx = {static_cast<unsigned>(b % all.x), static_cast<unsigned>(b / all.x % all.y),
              static_cast<unsigned>(b / all.x / all.y)};
  const unsigned t = thread_;
  threadIdx = t < size.x ? uint3{t, 0, 0} : uint3{t % size.x, t / size.x % size.y, t / size.x / size.y};
}

/// Leaves the running thread, which waits or is ready, for another one, of block `to` if it can be; comes back when its
/// turn is.
void Worker::leave(Block* to) {
  Block& mine = *block_;
  const unsigned me = thread_;
  if (!mine.has_ready()) {
    // Threads wait for threads of their own block alone: if none of it is ready, none ever will be.
    Fault stuck = mine.deadlock();
    fault(stuck.thread, std::move(stuck.what));
  }
  if (to) block_ = to;
  if (!pick()) std::abort();
  if (block_ != &mine || thread_ != me) go(mine.thread(me).fiber, false);
}

/// Switches to the picked thread.
void Worker::go(Fiber& from, bool last) {
  Fiber& to = block_->thread(thread_).fiber;
  if (!to.stack) {
    to.stack = stacks_.take();
    to.bytes = kStackBytes;
  }
  enter();
  running.checked = false;  // until it is back in its kernel
  running.stack = reinterpret_cast<std::uintptr_t>(to.stack);
  switch_fiber(from, to, &Worker::entry, last);
}

/// Another resident block that can get on, by chance or in turn; null: none.
Block* Worker::other_block() {
  const std::size_t n = resident_.size();
  if (n < 2) return nullptr;
  Block* other = resident_[(run_->seed > 0 ? random() : turn_++) % n].get();
  return other != block_ && other->has_ready() ? other : nullptr;
}

int Worker::barrier(Call call, bool predicate, const Where& where) {
  Block& mine = *block_;
  Fault wrong;
  const bool complete = mine.arrive(thread_, call, predicate, where, wrong);
  if (!wrong.what.empty()) fault(wrong.thread, std::move(wrong.what));
  if (!complete) {
    leave(nullptr);
  } else if (run_->seed > 0) {
    mine.shuffle_warps([this] { return random(); });
    mine.make_ready(thread_);
    leave(random() % 2 ? other_block() : nullptr);
  }
  return mine.barrier_result();
}

void Worker::warp_call(const WarpCall& call) {
  block_->thread(thread_).call = call;
  Fault wrong;
  const bool through = block_->join(thread_, wrong);
  if (!wrong.what.empty()) fault(wrong.thread, std::move(wrong.what));
  if (!through) leave(nullptr);
}

void Worker::yield() {
  ++stalled_;
  if (stalled_ % kStallOfMore == 0) admit();
  if (stalled_ > kStallOfAll) fault(thread_, "no thread has ended for a long time: all that run wait for one another");
  block_->make_ready(thread_);
  block_->demote(thread_);
  leave(run_->seed == 0 || random() % 2 ? other_block() : nullptr);
}

void Worker::maybe_yield() {
  if (run_->seed > 0 ? random() % 4 == 0 : ++atomics_ % kAtomicsInOrder == 0) yield();
}

void* Worker::shared_variable(const void* key, std::size_t bytes, std::size_t alignment) {
  std::string wrong;
  void* data = block_->shared_variable(key, bytes, alignment, wrong);
  if (!data) fault(thread_, std::move(wrong));
  return data;
}

/// Abandons all threads.
void Worker::fault(unsigned thread, std::string&& what) {
  fault_ = {thread, std::move(what)};
  run_->stop = true;
  running = Running{};
  switch_fiber(block_->thread(thread_).fiber, main_, nullptr, true);
  std::abort();
}

void Worker::report_fault() {
  const Grid& grid = run_->grid;
  const std::string text = fault_text(grid, thread_name(grid, block_->number(), fault_.thread), fault_.what);
  fault_ = {};
  const std::lock_guard lock(run_->mutex);
  if (run_->fault.empty()) run_->fault = text;
}

/// The life of a fiber: one thread, and as long as there are others that have not begun, those, without a switch.
void Worker::entry() {
  begin_fiber();
  Worker& w = *running.worker;
  for (;;) {
    w.run_thread();
    Thread& ended = w.block_->thread(w.thread_);
    Fiber fiber = std::exchange(ended.fiber, Fiber{});
    const bool more = w.finish_thread();
    if (more && !w.block_->thread(w.thread_).fiber.stack) {
      w.block_->thread(w.thread_).fiber = fiber;
      w.enter();
      continue;
    }
    w.stacks_.give_back(fiber.stack);
    if (more) {
      w.go(fiber, true);
    } else {
      running.worker = nullptr;
      switch_fiber(fiber, w.main_, nullptr, true);
    }
  }
}

void Worker::run_thread() {
  std::string thrown;
  try {
    run_->grid.body();
  } catch (const std::exception& e) {
    thrown = std::string("throws an exception: ") + e.what();
  }
  running.checked = false;
  if (!thrown.empty()) fault(thread_, std::move(thrown));
}

/// The running thread has ended. Chooses the next one; false: all have.
bool Worker::finish_thread() {
  stalled_ = 0;
  Fault wrong;
  block_->exit(thread_, wrong);
  if (!wrong.what.empty()) fault(wrong.thread, std::move(wrong.what));
  if (block_->live() == 0) {
    retire();
  } else if (!block_->has_ready()) {
    Fault stuck = block_->deadlock();
    fault(stuck.thread, std::move(stuck.what));
  }
  return pick();
}

void Worker::run(GridRun& run) {
  run_ = &run;
  main_ = Fiber{};
  rng_ = (run.seed + 0x9e3779b97f4a7c15ull * (run.next + 1)) | 1;
  stalled_ = 0;
  gridDim = {run.grid.blocks.x, run.grid.blocks.y, run.grid.blocks.z};
  blockDim = {run.grid.threads.x, run.grid.threads.y, run.grid.threads.z};
  const std::size_t wanted = run.seed > 0 ? 2 + random() % 3 : 1;
  while (resident_.size() < wanted && admit()) {}
  block_ = nullptr;
  running = Running{this};
  if (pick()) go(main_, false);
  running = Running{};
  if (!fault_.what.empty()) report_fault();
  for (auto& block : resident_) {  // of a grid that was stopped
    for (unsigned t = 0; t < block->size(); ++t)
      if (char* stack = std::exchange(block->thread(t).fiber.stack, nullptr)) stacks_.give_back(stack);
    block->end();
    idle_.push_back(std::move(block));
  }
  resident_.clear();
}

// What device code calls.

namespace {

Worker& worker(const Where& where) {
  if (!running.worker) {
    std::fprintf(stderr, "simt: host code calls a device function at %s\n", source_line(where).c_str());
    std::abort();
  }
  return *running.worker;
}

}  // namespace

int block_barrier(Call call, bool predicate, Where where) {
  const Unchecked own;
  return worker(where).barrier(call, predicate, where);
}

void warp_call(const WarpCall& call) {
  const Unchecked own;
  worker(call.where).warp_call(call);
}

unsigned lane_of_thread() { return worker(Where::current()).thread() % kWarpLanes; }

void yield() {
  const Unchecked own;
  worker(Where::current()).yield();
}

void relax() {
  const Unchecked own;
  if (running.worker) running.worker->maybe_yield();
}

void fence(bool device, Where where) {
  {
    const Unchecked own;
    worker(where).maybe_yield();
  }
  std::atomic_thread_fence(std::memory_order_seq_cst);
  check::fence(device);
}

void before_atomic(void* p, std::size_t bytes, Where where) {
  {
    const Unchecked own;
    worker(where).maybe_yield();
  }
  check::atomic_access(p, bytes, where);
}

void* shared_variable(const void* key, std::size_t bytes, std::size_t alignment) {
  const Unchecked own;
  return worker(Where::current()).shared_variable(key, bytes, alignment);
}

void* dynamic_shared_memory() {
  const Unchecked own;
  Worker& w = worker(Where::current());
  return w.shared_variable(&kDynamicShared, w.grid().dynamic_bytes, 16);
}

void fail(const char* what, Where where) {
  running.checked = false;
  Worker& w = worker(where);
  std::string text = std::string(what) + " at " + source_line(where);
  w.fault(w.thread(), std::move(text));
}

void kernel_begins(const void* arguments, std::size_t bytes) {
  running.arguments = reinterpret_cast<std::uintptr_t>(arguments);
  running.argument_bytes = bytes;
  running.checked = check::enabled();
}

}  // namespace simt
