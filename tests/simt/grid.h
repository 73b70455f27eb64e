// Runs the grid of one kernel launch on the CPU, thread by thread.
#pragma once

#include <vector_types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "tests/simt/operation.h"

namespace simt {

struct Grid {
  const char* name = "";         ///< as the launch calls it
  const void* kernel = nullptr;  ///< the kernel's address, for its full name in messages
  dim3 blocks, threads;
  std::size_t dynamic_bytes = 0;  ///< of shared memory
  OperationId operation = 0;
  std::function<void()> body;  ///< one thread's work: calls the kernel with its arguments
  std::string refused;         ///< what is wrong with the arguments; then nothing runs, and run_grid gives it back
};

/// Runs every thread to its end, or up to the first fault. Gives back what went wrong, naming kernel, block, thread and
/// source line; empty: nothing. Device memory must be open (memory.h).
std::string run_grid(const Grid& grid);

/// How device work is scheduled, from the environment at first.
struct Options {
  int os_threads = 2;      ///< SIMT_THREADS: blocks run on so many; 1 where accesses are checked
  std::uint64_t seed = 1;  ///< SIMT_SEED: of every choice of block, warp, lane and queue; 0: everything in order
  bool eager = false;      ///< SIMT_EAGER=1: queues run at once, not as late as they may
};
Options& options();

}  // namespace simt
