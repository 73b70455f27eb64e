// Accesses that nothing orders.
#include "kernels/device.cuh"
#include "tests/simt/kernels/cases.h"

namespace simt::test {

namespace {

using fuselage::kernels::shared;

__global__ void read_too_early(Memory m) {
  auto& x = shared<float[64]>([] {});
  x[threadIdx.x] = 0;
  __syncthreads();
  x[threadIdx.x] = 1;                           // there: read_too_early
  m.floats[threadIdx.x] = x[63 - threadIdx.x];  // here: read_too_early
}
__global__ void overwritten_too_early(Memory m) {
  auto& x = shared<float>([] {});
  if (threadIdx.x == 0) x = 1;
  __syncthreads();
  m.floats[threadIdx.x] = x;
  if (threadIdx.x == 0) x = 2;
}
__global__ void overwritten_by_a_synced_warp(Memory m) {  // which knows of its own lanes, but not of the other warp's
  auto& x = shared<float>([] {});
  if (threadIdx.x == 0) x = 1;
  __syncthreads();
  m.floats[threadIdx.x] = x;
  __syncwarp();
  if (threadIdx.x == 0) x = 2;
}
/// Were all warps to get on alike, it would never be too early; one of them must run far ahead.
template <unsigned kWriter>
__device__ void overwrite_after_a_while(const Memory& m) {
  auto& x = shared<float>([] {});
  if (threadIdx.x == 0) x = 1;
  __syncthreads();
  if (threadIdx.x / 32 == kWriter) {
    m.floats[threadIdx.x] = 1;
    for (int i = 0; i < 20; ++i) __syncwarp();
    if (threadIdx.x % 32 == 0) x = 2;
  } else {
    m.floats[threadIdx.x] = x;
  }
}
__global__ void overwritten_by_first_warp(Memory m) { overwrite_after_a_while<0>(m); }
__global__ void overwritten_by_last_warp(Memory m) { overwrite_after_a_while<1>(m); }
__global__ void shuffle_orders_nothing(Memory m) {
  auto& x = shared<float[32]>([] {});
  x[threadIdx.x] = 0;
  __syncwarp();
  x[threadIdx.x] = 1;
  const float y = __shfl_xor_sync(0xffffffffu, 1.0f, 1);
  m.floats[threadIdx.x] = y + x[threadIdx.x ^ 1u];
}
__global__ void partial_sync(Memory m) {  // halves of a warp sync each for itself
  auto& x = shared<float[32]>([] {});
  x[threadIdx.x] = 0;
  __syncwarp();
  x[threadIdx.x] = 1;
  __syncwarp(threadIdx.x < 16 ? 0xffffu : 0xffff0000u);
  m.floats[threadIdx.x] = x[31 - threadIdx.x];
}
__global__ void warps_need_barriers(Memory m) {
  if (threadIdx.x == 0) m.floats[0] = 1;
  __syncwarp();
  if (threadIdx.x == 32) m.floats[1] = m.floats[0];
}
__global__ void plain_increment(Memory m) { m.words[0] = m.words[0] + 1; }
__global__ void plain_store_to_ticket(Memory m) {
  if (atomicAdd(m.words, 1u) == gridDim.x - 1) m.words[0] = 0;  // here: plain_store_to_ticket
}
__global__ void halves_of_a_word(Memory m) {
  auto* halves = reinterpret_cast<unsigned short*>(m.words);
  halves[1] = 1;
}
__global__ void bytes_of_a_word(Memory m) {
  auto* bytes = reinterpret_cast<unsigned char*>(m.words);
  bytes[3] = 1;
}
__global__ void wide_and_narrow(Memory m) {
  if (blockIdx.x == 0)
    *reinterpret_cast<float4*>(m.floats) = make_float4(1, 2, 3, 4);
  else
    m.words[0] = static_cast<unsigned>(m.floats[3]);
}

/// The last block to come reads what all wrote; fences as the template says: 0 none, 1 of the block, 2 of the device.
template <int kBefore, int kAfter, class Sum>
__device__ void last_block(const Memory& m, Sum&& sum) {
  auto& last = shared<bool>([] {});
  m.floats[blockIdx.x * blockDim.x + threadIdx.x] = 1;
  __syncthreads();
  if (threadIdx.x == 0) {
    if constexpr (kBefore == 1) __threadfence_block();
    if constexpr (kBefore == 2) __threadfence();
    last = atomicInc(m.words, gridDim.x - 1) == gridDim.x - 1;
    if constexpr (kAfter == 1) __threadfence_block();
    if constexpr (kAfter == 2) __threadfence();
  }
  __syncthreads();
  if (last && threadIdx.x == 1) sum();
}
__global__ void no_fence_before(Memory m) {
  last_block<0, 2>(m, [&] { m.floats[kFloats - 1] = m.floats[0] + m.floats[blockDim.x]; });
}
__global__ void no_fence_after(Memory m) {
  last_block<2, 0>(m, [&] { m.floats[kFloats - 1] = m.floats[0] + m.floats[blockDim.x]; });
}
__global__ void block_fence_before(Memory m) {
  last_block<1, 2>(m, [&] { m.floats[kFloats - 1] = m.floats[0] + m.floats[blockDim.x]; });
}
__global__ void block_fence_after(Memory m) {
  last_block<2, 1>(m, [&] { m.floats[kFloats - 1] = m.floats[0] + m.floats[blockDim.x]; });
}
__global__ void no_barrier_before_fence(Memory m) {  // the fence of a thread tells of that thread alone
  m.floats[blockIdx.x * blockDim.x + threadIdx.x] = 1;
  if (threadIdx.x > 0) return;
  __threadfence();
  const bool last = atomicInc(m.words, gridDim.x - 1) == gridDim.x - 1;
  __threadfence();
  if (last) m.floats[kFloats - 1] = m.floats[1] + m.floats[blockDim.x + 1];
}
__global__ void written_after_fence(Memory m) {
  __threadfence();
  m.floats[blockIdx.x] = 1;
  const bool last = atomicInc(m.words, gridDim.x - 1) == gridDim.x - 1;
  __threadfence();
  if (last) m.floats[kFloats - 1] = m.floats[0] + m.floats[1];
}
__global__ void flag_without_fence(Memory m) {
  volatile unsigned* flag = m.words;
  if (blockIdx.x == 0) {
    m.floats[0] = 1;
    *flag = 1;
  } else {
    while (*flag == 0) __nanosleep(10);
    m.floats[1] = m.floats[0];
  }
}
__global__ void copied_by_two(Memory m) { memcpy(m.floats + 100, m.floats + 8 * blockIdx.x, 20); }

constexpr Case kCases[] = {
    {"read_too_early", read_too_early, 1, 64, 0, "race: "},
    {"overwritten_too_early", overwritten_too_early, 1, 64, 0, "race: "},
    {"overwritten_by_a_synced_warp", overwritten_by_a_synced_warp, 1, 64, 0, "race: "},
    {"overwritten_by_first_warp", overwritten_by_first_warp, 1, 64, 0, "race: "},
    {"overwritten_by_last_warp", overwritten_by_last_warp, 1, 64, 0, "race: "},
    {"shuffle_orders_nothing", shuffle_orders_nothing, 1, 32, 0, "race: "},
    {"partial_sync", partial_sync, 1, 32, 0, "race: "},
    {"warps_need_barriers", warps_need_barriers, 1, 64, 0, "race: "},
    {"plain_increment", plain_increment, 4, 1, 0, "race: "},
    {"plain_store_to_ticket", plain_store_to_ticket, 4, 1, 0, "which was accessed atomically by"},
    {"halves_of_a_word", halves_of_a_word, 2, 1, 0, "race: writes byte 2 of"},
    {"bytes_of_a_word", bytes_of_a_word, 2, 1, 0, "race: writes byte 3 of"},
    {"wide_and_narrow", wide_and_narrow, 2, 1, 0, "race: "},
    {"no_fence_before", no_fence_before, 4, 32, 0, "race: "},
    {"no_fence_after", no_fence_after, 4, 32, 0, "race: "},
    {"block_fence_before", block_fence_before, 4, 32, 0, "race: "},
    {"block_fence_after", block_fence_after, 4, 32, 0, "race: "},
    {"no_barrier_before_fence", no_barrier_before_fence, 4, 32, 0, "race: "},
    {"written_after_fence", written_after_fence, 4, 1, 0, "race: "},
    {"flag_without_fence", flag_without_fence, 2, 1, 0, "race: "},
    {"copied_by_two", copied_by_two, 2, 1, 0, "race: "},
};

}  // namespace

std::span<const Case> races() { return kCases; }

}  // namespace simt::test
