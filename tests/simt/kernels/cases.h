// Small kernels of the emulator's own tests: faults that must be found, and right ways that must not be blamed.
//
// A line of a kernel that its message must name bears the mark "here: NAME"; the other party's line, "there: NAME".
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <span>

#include "tests/simt/grid.h"

namespace simt::test {

inline constexpr std::size_t kFloats = 4096;  ///< of each array

/// What all of these kernels get. The arrays are zero at first, but for `fresh`, which nobody wrote.
struct Memory {
  float* floats;
  unsigned* words;
  float* fresh;
  float* freed;       ///< no longer there
  const float* host;  ///< not device memory
};

using Kernel = void (*)(Memory);

struct Case {
  const char* name;
  Kernel kernel;
  unsigned blocks, threads;
  std::size_t dynamic_bytes = 0;
  const char* text = "";                   ///< part of the message
  const char* who = "";                    ///< as well, where only one can be blamed
  bool (*right)(const Memory&) = nullptr;  ///< of a clean kernel: whether it did its work; device memory is open
};

/// Found by the scheduler, whether accesses are checked or not.
std::span<const Case> scheduling_faults();
/// Found by checks of accesses.
std::span<const Case> access_faults();
std::span<const Case> races();
/// Without a fault, by the skin of their teeth.
std::span<const Case> clean_kernels();

/// The grid of a case.
Grid grid_of(const Case& one, const Memory& memory);
/// The grid of a kernel that only takes a pointer.
Grid grid_with_pointer(float* pointer);
/// Queues a kernel that adds 1 to n floats.
cudaError_t add_one(float* floats, int n, cudaStream_t stream);

/// What a warp of 32 lanes computed: one row for each collective.
inline constexpr int kCollectives = 24;
Grid collectives_grid(unsigned* results);
/// What 4 blocks of 64 threads did to one word or number each by atomics.
struct Atomics {
  unsigned add, sub, exchanged, least, most, increased, decreased, all, any, odd, once;
  int least_signed;
  unsigned long long add_long, most_long;
  float add_float;
  double add_double;
};
Grid atomics_grid(Atomics* results);

}  // namespace simt::test
