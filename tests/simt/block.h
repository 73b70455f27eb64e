// One block of a grid that is under way: its threads, warps, barrier and shared memory. Knows who waits for whom; who
// runs is the worker's business.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <source_location>
#include <string>
#include <vector>

#include "tests/simt/device/calls.h"
#include "tests/simt/fiber.h"
#include "tests/simt/grid.h"
#include "tests/simt/knowledge.h"

namespace simt {

inline constexpr unsigned kWarpLanes = 32;
inline constexpr unsigned kMostWarps = 32;

struct Thread {
  Fiber fiber;
  WarpCall call;  ///< that it waits in, or its last one

  bool same_call(const Thread& other) const {
    return call.mask == other.call.mask && call.call == other.call.call && call.bytes == other.call.bytes;
  }
};

/// Lanes by what they do; each is in one of the masks, or runs.
struct Warp {
  unsigned absent = 0;  ///< lanes beyond the block's threads
  unsigned ready = 0, waiting = 0, at_barrier = 0, exited = 0;
  unsigned turn = 0;   ///< lane to look at first, where threads run in order
  unsigned first = 0;  ///< thread that waits longest
  bool alike = true;   ///< all that wait made the call of the first, with its mask
};

/// A variable in shared memory.
struct SharedVariable {
  const void* key;
  char* data;
  std::size_t bytes;
};

/// A fault that a thread runs into.
struct Fault {
  unsigned thread = 0;
  std::string what;  ///< empty: none
};

class Block {
 public:
  /// `room` has kSharedRoom bytes, for shared memory.
  explicit Block(char* room) : room_(room) {}

  static constexpr std::size_t kSharedRoom = 512 * 1024;

  void begin(const Grid& grid, std::uint64_t number, std::uint32_t instance);
  /// Shared memory goes.
  void end();

  std::uint64_t number() const { return number_; }
  unsigned size() const { return size_; }
  unsigned live() const { return live_; }
  Thread& thread(unsigned t) { return threads_[t]; }
  Knowledge& knowledge() { return knowledge_; }
  const std::vector<SharedVariable>& variables() const { return variables_; }
  bool owns(const void* shared) const {
    const auto p = static_cast<const char*>(shared);
    return p >= room_ && p < room_ + kSharedRoom;
  }

  bool has_ready() const { return ready_warps_ != 0; }
  void make_ready(unsigned t);
  /// A ready thread of the warp with the highest priority, at random where `random` gives a number.
  unsigned take_ready(unsigned random);
  /// New priorities of the warps.
  template <class Random>
  void shuffle_warps(Random&& random) {
    for (unsigned i = warps_used(); i > 1; --i) std::swap(order_[i - 1], order_[random() % i]);
    rank_warps();
  }
  /// The warp of thread t comes last from now on, and its other lanes before t.
  void demote(unsigned t);

  /// Thread t comes to a barrier, and perhaps completes it: then all threads but t are ready.
  bool arrive(unsigned t, Call call, bool predicate, const Where& where, Fault& fault);
  int barrier_result() const { return result_; }
  /// Thread t comes to a collective, whose call stands in the thread: lanes that are through are ready, true if t is.
  bool join(unsigned t, Fault& fault);
  void exit(unsigned t, Fault& fault);
  /// Why no thread can get on; some live.
  Fault deadlock() const;

  void* shared_variable(const void* key, std::size_t bytes, std::size_t alignment, std::string& fault);

 private:
  unsigned warps_used() const { return (size_ + kWarpLanes - 1) / kWarpLanes; }
  void rank_warps();
  void release_barrier(unsigned last);
  Fault missed_barrier() const;
  std::string check_mask(unsigned t) const;
  Fault perform(unsigned warp, unsigned lanes);
  std::string waiters() const;

  Knowledge knowledge_;
  std::uint64_t number_ = 0;
  unsigned size_ = 0, live_ = 0, arrived_ = 0, trues_ = 0, first_ = 0;
  int result_ = 0;
  Call call_ = Call::none;  ///< that the threads at the barrier made
  Where where_;
  std::vector<Thread> threads_;
  std::array<Warp, kMostWarps> warps_{};
  std::array<std::uint8_t, kMostWarps> order_{}, rank_{};  ///< warps by priority, priorities of warps
  unsigned ready_warps_ = 0;                               ///< bits are ranks
  std::vector<SharedVariable> variables_;
  char* room_;
  std::size_t used_ = 0, static_bytes_ = 0;
};

/// The key of dynamic shared memory.
extern const char kDynamicShared;
/// As kernels write it: "__syncwarp".
const char* call_name(Call call);

}  // namespace simt
