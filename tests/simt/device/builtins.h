// The words that device code has beside C++, for a compiler that is not nvcc: variables, attributes, types.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstring>

#undef __launch_bounds__
#define __launch_bounds__(...)

// Constants to the compiler, which then does not have accesses to them checked; set whenever a thread is switched to.
extern constinit thread_local const uint3 threadIdx, blockIdx, blockDim, gridDim;
inline constexpr int warpSize = 32;

// The C library cannot be instrumented; these are its functions behind checks.
extern "C" {
void* memcpy(void* to, const void* from, std::size_t n) noexcept __asm__("simt_memcpy");
void* memmove(void* to, const void* from, std::size_t n) noexcept __asm__("simt_memmove");
void* memset(void* to, int byte, std::size_t n) noexcept __asm__("simt_memset");
}
