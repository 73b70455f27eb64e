// The words that device code has beside C++, for a compiler that is not nvcc: variables, attributes, types.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#undef __launch_bounds__
#define __launch_bounds__(...)

// Constants to the compiler, which then does not have accesses to them checked; set whenever a thread is switched to.
extern constinit thread_local const uint3 threadIdx, blockIdx;
extern constinit thread_local const dim3 blockDim, gridDim;
inline constexpr int warpSize = 32;
