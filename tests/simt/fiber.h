// Fibers: stacks of their own, switched between in user space, each run of device code in one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace simt {

inline constexpr std::size_t kStackBytes = 256 * 1024;  ///< of addresses; only what is used takes memory

/// Where a fiber stands, or its OS thread's own stack while a fiber runs.
struct Fiber {
  void* place = nullptr;       ///< as the switch left it; null: not begun
  char* stack = nullptr;       ///< lowest address; null: none yet, or the OS thread's own
  std::size_t bytes = 0;       ///< of the stack
  void* fake_stack = nullptr;  ///< of AddressSanitizer
};

/// Stacks to be used over and over, each above a page that cannot be touched. All lie in one stretch of addresses.
class Stacks {
 public:
  char* take();
  void give_back(char* stack);

 private:
  std::vector<char*> free_;
};
/// Whether p lies in any fiber's stack.
bool in_stacks(const void* p);

/// Leaves `from`, which must be running, for `to`; a fiber that has not begun calls `entry` on its stack. Comes back
/// when somebody switches to `from`. `last`: nobody will.
void switch_fiber(Fiber& from, Fiber& to, void (*entry)(), bool last);
/// The first thing to do in `entry`.
void begin_fiber();

}  // namespace simt
