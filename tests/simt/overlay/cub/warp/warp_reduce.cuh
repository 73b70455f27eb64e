// CUB's reductions of a warp, themselves, for a compiler that is not nvcc: gives them the registers that they ask for,
// and takes the way through shared memory, since the other one is written in the assembler of the device.
// Tried with CCCL 2.8.2, 3.0.1 and 3.5.
#pragma once

#include "tests/simt/device/device.h"

namespace cuda::ptx {
inline unsigned get_sreg_laneid() { return simt::lane_of_thread(); }
inline unsigned get_sreg_lanemask_lt() { return (1u << simt::lane_of_thread()) - 1; }
inline unsigned get_sreg_lanemask_le() { return (2u << simt::lane_of_thread()) - 1; }
inline unsigned get_sreg_lanemask_ge() { return ~get_sreg_lanemask_lt(); }
inline unsigned get_sreg_lanemask_gt() { return ~get_sreg_lanemask_le(); }
}  // namespace cuda::ptx

// Named in CUB's code for pairs of 16-bit integers, which nothing here reduces; defined nowhere.
unsigned __vmins2(unsigned, unsigned);
unsigned __vminu2(unsigned, unsigned);
unsigned __vmaxs2(unsigned, unsigned);
unsigned __vmaxu2(unsigned, unsigned);

#pragma GCC diagnostic push
// CUB moves structures word by word, padding and all.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include_next <cub/warp/warp_reduce.cuh>
#pragma GCC diagnostic pop
