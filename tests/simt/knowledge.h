// Who knows of whose accesses: what orders the threads of a grid, as CUDA's memory model has it, for the check of
// races.
//
// A thread knows its own accesses; those of its block before the last block barrier; those of lanes that it met in a
// __syncwarp, and what they knew; and what it acquired by an atomic access followed by a fence from a thread that made
// a fence followed by an atomic access to the same address. Shuffles, votes and atomics alone teach nothing.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

namespace simt {

/// One access, as it is remembered. 16 bytes: there are three for each two bytes of memory.
struct Access {
  std::uint32_t instance = 0;  ///< the block, counted over all grids; 0: no access
  std::uint32_t place = 0;     ///< in the source (shadow.h)
  std::uint64_t thread : 10 = 0;
  std::uint64_t atomic : 1 = 0;
  std::uint64_t write : 1 = 0;
  std::uint64_t bytes : 2 = 0;   ///< which of the two
  std::uint64_t phase : 24 = 0;  ///< barriers of the block before it
  std::uint64_t clock : 26 = 0;  ///< of the thread
};
static_assert(sizeof(Access) == 16);

/// What may be passed on about one block: all before a barrier, and some threads up to a clock.
struct KnownBlock {
  std::uint32_t phase = 0;
  std::map<unsigned, std::uint32_t> clocks;
};
using KnownBlocks = std::map<std::uint32_t, KnownBlock>;
using SharedKnowledge = std::shared_ptr<const KnownBlocks>;

/// What was released at addresses, by the scope of the fence. Lives as long as the grid runs.
struct Released {
  SharedKnowledge device;
  std::map<std::uint32_t, SharedKnowledge> block;
};
using Releases = std::map<const void*, Released>;

/// The knowledge of the threads of one block.
class Knowledge {
 public:
  void begin(std::uint32_t instance, unsigned threads);

  std::uint32_t instance() const { return instance_; }
  /// Instance, thread and time of an access that thread t makes now.
  Access stamp(unsigned t) const;
  /// Whether what `access` did is visible to thread t, of the same grid.
  bool ordered(const Access& access, unsigned t) const;

  void barrier();
  void syncwarp(unsigned warp, unsigned lanes);
  void fence(unsigned t, bool device);
  void atomic(unsigned t, const void* p, Releases& releases);

 private:
  struct State {
    std::uint32_t clock = 1;
    SharedKnowledge known;                            ///< acquired since the last barrier
    SharedKnowledge released_device, released_block;  ///< what an atomic access now passes on
    SharedKnowledge heard_device, heard_block;        ///< what a fence now acquires
  };
  SharedKnowledge all_of(unsigned t) const;

  std::uint32_t instance_ = 0, phase_ = 0;
  std::vector<State> threads_;
  std::vector<std::uint32_t> lanes_;  ///< [thread][lane]: clock up to which the thread knows that lane of its warp
  SharedKnowledge known_;             ///< by all threads, at the last barrier
};

}  // namespace simt
