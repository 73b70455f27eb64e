// What the built-in functions of device code call: the scheduler's side of barriers, warps, atomics, fences and shared
// memory. A fault ends the grid and never returns.
#pragma once

#include <cstddef>
#include <source_location>

namespace simt {

/// Operations for which threads wait for one another. Threads of a warp must agree on them.
enum class Call : unsigned char {
  none,
  barrier,
  barrier_count,
  barrier_and,
  barrier_or,
  syncwarp,
  shfl,
  shfl_up,
  shfl_down,
  shfl_xor,
  ballot,
  any,
  all,
  match_any,
  match_all,
  reduce_add,
  reduce_min,
  reduce_min_signed,
  reduce_max,
  reduce_max_signed,
  reduce_and,
  reduce_or,
  reduce_xor,
};

using Where = std::source_location;

/// Waits for all threads of the block; the number of threads whose predicate is true, or 0 and 1.
int block_barrier(Call call, bool predicate, Where where);

/// A thread's part in a collective of its warp. `out` gets the result when all lanes of the mask have come.
struct WarpCall {
  Call call = Call::none;
  unsigned mask = 0;
  unsigned bytes = 0;   ///< of the value
  unsigned source = 0;  ///< lane to read from, of shuffles
  const void* in = nullptr;
  void* out = nullptr;
  Where where;
};
void warp_call(const WarpCall& call);

unsigned lane_of_thread();

void fence(bool device, Where where);
/// Comes before each atomic access: the place for other threads to get on, and for checks.
void before_atomic(void* p, std::size_t bytes, Where where);
/// A load or store with a cache hint, in a thread that perhaps waits for another.
void relax();
/// Lets other threads get on.
void yield();

/// The block's variable of this place; `key` is an address that no other place has.
void* shared_variable(const void* key, std::size_t bytes, std::size_t alignment);
void* dynamic_shared_memory();

[[noreturn]] void fail(const char* what, Where where);
/// From here on the thread's accesses are checked; it may read its arguments.
void kernel_begins(const void* arguments, std::size_t bytes);

}  // namespace simt
