// Reductions. Float sums follow the canonical order of core/partition.h, whatever the grid; integer sums and maxima are
// free of order, and CUB's. A warp owns a chunk: thread t holds the elements j 32 V + t V + v of a tile of 256 lanes, V
// of them side by side in memory, so the first levels of the ascending tree stay inside a thread.
#pragma once

#include <concepts>
#include <cstdint>
#include <cub/warp/warp_reduce.cuh>

#include "fuselage/core/partition.h"
#include "fuselage/core/scalar.h"
#include "kernels/device.cuh"

namespace fuselage::kernels {

inline constexpr unsigned kFullWarp = 0xffffffffu;
inline constexpr int kWarp = 32;
inline constexpr int kMostWarps = 8;                   ///< of a block
inline constexpr int kLanesOfThread = kLanes / kWarp;  ///< lane sums that a thread of a warp holds

__device__ __forceinline__ int lane_id() { return static_cast<int>(threadIdx.x) % kWarp; }
__device__ __forceinline__ int warp_id() { return static_cast<int>(threadIdx.x) / kWarp; }
__device__ __forceinline__ int warps_of_block() { return static_cast<int>(blockDim.x) / kWarp; }

/// The canonical sum of 256 lanes, sums[j V + v] being lane j 32 V + t V + v; every thread gets the result.
template <int V, class S>
__device__ __forceinline__ S add_warp_lanes(S (&sums)[kLanesOfThread]) {
  constexpr int J = kLanesOfThread / V;
  S part[J];
#pragma unroll
  for (int j = 0; j < J; ++j) {
#pragma unroll
    for (int n = V; n > 1; n /= 2)
#pragma unroll
      for (int i = 0; i < n / 2; ++i) sums[j * V + i] = sums[j * V + 2 * i] + sums[j * V + 2 * i + 1];
    part[j] = sums[j * V];
  }
#pragma unroll
  for (int o = 1; o < kWarp; o *= 2)
#pragma unroll
    for (int j = 0; j < J; ++j) part[j] = part[j] + __shfl_xor_sync(kFullWarp, part[j], o);
#pragma unroll
  for (int n = J; n > 1; n /= 2)
#pragma unroll
    for (int i = 0; i < n / 2; ++i) part[i] = part[2 * i] + part[2 * i + 1];
  return part[0];
}

/// The same where 4 or, if `wide`, 8 lanes of a thread lie side by side.
template <class S>
__device__ __forceinline__ S add_warp_lanes(S (&sums)[kLanesOfThread], bool wide) {
  static_assert(kLanesOfThread == 8);
  S low = (sums[0] + sums[1]) + (sums[2] + sums[3]), high = (sums[4] + sums[5]) + (sums[6] + sums[7]);
  if (wide) low = low + high;
#pragma unroll
  for (int o = 1; o < kWarp; o *= 2) {
    low = low + __shfl_xor_sync(kFullWarp, low, o);
    high = high + __shfl_xor_sync(kFullWarp, high, o);
  }
  return wide ? low : low + high;
}

/// The canonical sum of 256 lanes in shared memory, which all threads of the block have written; the result is in the
/// threads of the first warp.
__device__ __forceinline__ double block_lanes(const double (&lanes)[kLanes]) {
  __syncthreads();
  if (warp_id() > 0) return 0;
  double own[kLanesOfThread];
#pragma unroll
  for (int v = 0; v < kLanesOfThread; ++v) own[v] = lanes[lane_id() * kLanesOfThread + v];
  return add_warp_lanes<kLanesOfThread>(own);
}

/// add_chunk of core/partition.h by a block: n doubles, `stride` apart. The result is in the threads of the first warp.
__device__ __forceinline__ double block_chunk(const double* x, int n, std::int64_t stride) {
  auto& lanes = shared<double[kLanes]>([] {});
  __syncthreads();  // the last call's lanes were read, and what the caller wrote since is seen
  for (int l = static_cast<int>(threadIdx.x); l < kLanes; l += static_cast<int>(blockDim.x)) {
    double sum = 0;
#pragma unroll 8
    for (int i = l; i < n; i += kLanes) sum = sum + x[i * stride];
    lanes[l] = sum;
  }
  return block_lanes(lanes);
}

/// Puts the sum of chunk `c` of n doubles, `stride` apart, into the chunk's first element; gives it back as
/// block_chunk.
__device__ __forceinline__ double put_chunk_sum(double* x, std::int64_t n, std::int64_t stride, std::int64_t c) {
  double* const first = x + c * kChunk * stride;
  const double sum = block_chunk(first, chunk_length(n, c), stride);
  if (threadIdx.x == 0) *first = sum;
  return sum;
}

/// add_sequence of core/partition.h by a block: n doubles, `stride` apart; chunk sums are written over them. The result
/// is in the threads of the first warp.
__device__ __forceinline__ double block_sequence(double* x, std::int64_t n, std::int64_t stride) {
  double sum = 0;
  do {
    const std::int64_t chunks = chunks_of(n);
    for (std::int64_t c = 0; c < chunks; ++c) sum = put_chunk_sum(x, n, stride, c);
    n = chunks;
    stride *= kChunk;
  } while (n > 1);
  return sum;
}

/// The operations that CUB may reduce by: those of which the result shows no order. Float sums have one, and are ours.
template <class Op, class T>
inline constexpr bool kOrderFree = false;

struct Sum {
  template <std::integral I>
  __device__ __forceinline__ I operator()(I a, I b) const {
    return a + b;
  }
};
template <std::integral I>
inline constexpr bool kOrderFree<Sum, I> = true;

/// Of numbers; what NaN did would depend on its place. A zero's sign may be either.
struct Greater {
  template <class T>
  __device__ __forceinline__ T operator()(T a, T b) const {
    return a > b ? a : b;
  }
};
template <>
inline constexpr bool kOrderFree<Greater, float> = true;
template <>
inline constexpr bool kOrderFree<Greater, unsigned long long> = true;

/// The reduction of a warp, in its lane 0. All threads of the warp call it.
template <class T, class Op>
__device__ __forceinline__ T warp_reduce(T x, Op op) {
  static_assert(kOrderFree<Op, T>, "a reduction whose order shows has a canonical one: see add_warp_lanes");
  using Warp = cub::WarpReduce<T>;
  // Empty where CUB shuffles.
  auto& memory = shared<typename Warp::TempStorage[kMostWarps]>([] {});
  // The last call's memory was read.
  __syncwarp();
  if constexpr (std::is_same_v<Op, Sum>)
    return Warp(memory[warp_id()]).Sum(x);  // one instruction for 32 bits
  else
    return Warp(memory[warp_id()]).Reduce(x, op);
}

/// The greatest of a warp, where no thread has NaN; all threads get it.
__device__ __forceinline__ float warp_max(float x) { return __shfl_sync(kFullWarp, warp_reduce(x, Greater{}), 0); }

/// Whether this is the last of `calls` by blocks, which then sees what all blocks wrote before theirs. All threads of a
/// block call it; `ticket` is zero before the first and after the last.
__device__ __forceinline__ bool last_of(unsigned calls, unsigned* ticket) {
  auto& last = shared<bool>([] {});
  __syncthreads();
  if (threadIdx.x == 0) {
    __threadfence();
    last = atomicInc(ticket, calls - 1) == calls - 1;
    __threadfence();
  }
  __syncthreads();
  return last;
}

/// The same of all blocks of a grid, once in a launch.
__device__ __forceinline__ bool last_block(unsigned* ticket) { return last_of(gridDim.x, ticket); }

}  // namespace fuselage::kernels
