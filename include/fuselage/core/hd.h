// The one macro of the project: a function that runs on the host and on the device.
//
// It is always inlined. On the host that is a matter of correctness, not of taste: the CPU backend compiles the
// same definitions once for each instruction set, and an out-of-line copy compiled for AVX-512 must never be the
// one that the linker keeps for every machine.
#pragma once

#if defined(__CUDACC__)
#define FUSELAGE_HD __host__ __device__ __forceinline__
#else
#define FUSELAGE_HD inline __attribute__((always_inline))
#endif
