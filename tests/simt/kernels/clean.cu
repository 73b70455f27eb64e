// Subtle synchronisation that is right, and what collectives and atomics compute.
#include "kernels/device.cuh"
#include "tests/simt/kernels/cases.h"

namespace simt::test {

namespace {

using fuselage::kernels::shared;

constexpr unsigned kAll = 0xffffffffu;

__global__ void last_block_sums(Memory m) {
  auto& last = shared<bool>([] {});
  m.floats[1 + blockIdx.x * blockDim.x + threadIdx.x] = 1;
  __syncthreads();
  if (threadIdx.x == 0) {
    __threadfence();
    last = atomicInc(m.words, gridDim.x - 1) == gridDim.x - 1;
    __threadfence();
  }
  __syncthreads();
  if (!last || threadIdx.x > 0) return;
  float sum = 0;
  for (unsigned i = 0; i < gridDim.x * blockDim.x; ++i) sum = sum + m.floats[1 + i];
  m.floats[0] = sum;
}
bool sums_are_right(const Memory& m) { return m.floats[0] == 5 * 64 && m.words[0] == 0; }

__global__ void warp_exchange(Memory m) {
  auto& x = shared<unsigned[64]>([] {});
  for (unsigned i = 0; i < 8; ++i) {
    x[threadIdx.x] = threadIdx.x + i;
    __syncwarp();
    const unsigned y = x[threadIdx.x ^ 5u];
    __syncwarp();
    m.words[threadIdx.x] = y;
  }
}
bool exchange_is_right(const Memory& m) { return m.words[3] == (3 ^ 5) + 7 && m.words[63] == (63 ^ 5) + 7; }

__global__ void double_buffer(Memory m) {
  auto& x = shared<unsigned[2][96]>([] {});
  const unsigned t = threadIdx.x;
  x[0][t] = t;
  for (int i = 0; i < 9; ++i) {
    __syncthreads();
    x[(i + 1) % 2][t] = x[i % 2][(t + 1) % blockDim.x];
  }
  m.words[t] = x[1][t];
}
bool buffer_is_right(const Memory& m) { return m.words[0] == 9 && m.words[95] == 8; }

__global__ void ticket_slots(Memory m) {
  const unsigned slot = atomicAdd(m.words, 1u);
  m.floats[slot] = 1;
}
bool slots_are_right(const Memory& m) {
  for (unsigned i = 0; i < 4 * 40; ++i)
    if (m.floats[i] != 1) return false;
  return m.words[0] == 4 * 40;
}

__global__ void partial_masks(Memory m) {
  auto& x = shared<unsigned[32]>([] {});
  const unsigned mask = threadIdx.x < 8 ? 0xffu : threadIdx.x < 20 ? 0xfff00u : 0xfff00000u;
  const unsigned first = threadIdx.x < 8 ? 0 : threadIdx.x < 20 ? 8 : 20, n = threadIdx.x < 8 ? 8 : 12;
  x[threadIdx.x] = threadIdx.x;
  __syncwarp(mask);
  m.words[threadIdx.x] = x[first + (threadIdx.x - first + 1) % n];
}
bool masks_are_right(const Memory& m) { return m.words[7] == 0 && m.words[8] == 9 && m.words[31] == 20; }

/// Lane 0 hands on through lane 16 what lane 8 gave it: knowledge goes from hand to hand.
__global__ void chained_masks(Memory m) {
  auto& x = shared<unsigned>([] {});
  const unsigned t = threadIdx.x;
  if (t == 8) x = 7;
  if (t == 8 || t == 0) __syncwarp(0x101u);
  if (t == 0 || t == 16) __syncwarp(0x10001u);
  if (t == 16) m.words[0] = x;
}
bool chain_is_right(const Memory& m) { return m.words[0] == 7; }

__global__ void waits_for_block(Memory m) {
  if (blockIdx.x == 2) {
    m.floats[0] = 3;
    __threadfence();
    atomicExch(m.words, 1u);
  } else if (blockIdx.x == 0) {
    while (atomicAdd(m.words, 0u) == 0) {}
    __threadfence();
    m.floats[1] = m.floats[0];
  }
}
bool waiting_is_right(const Memory& m) { return m.floats[1] == 3; }

__global__ void volatile_flag(Memory m) {
  volatile unsigned* flag = m.words;
  if (threadIdx.x == 33) {
    m.floats[0] = 3;
    __threadfence_block();
    *flag = 1;
  } else if (threadIdx.x == 0) {
    while (*flag == 0) __nanosleep(10);
    __threadfence_block();
    m.floats[1] = m.floats[0];
  }
}

__global__ void grid_barrier(Memory m) {  // needs all blocks under way at once
  m.floats[blockIdx.x] = 1;
  __threadfence();
  atomicAdd(m.words, 1u);
  while (__ldcg(m.words + 1) == 0 && atomicAdd(m.words, 0u) < gridDim.x) __nanosleep(10);
  __threadfence();
  float sum = 0;
  for (unsigned i = 0; i < gridDim.x; ++i) sum = sum + m.floats[i];
  m.floats[64 + blockIdx.x] = sum;
}
bool grid_barrier_is_right(const Memory& m) { return m.floats[64] == 12 && m.floats[75] == 12; }

__global__ void lock(Memory m) {
  if (threadIdx.x > 0) return;
  while (atomicCAS(m.words, 0u, 1u) != 0) __nanosleep(10);
  __threadfence();
  m.floats[0] = m.floats[0] + 1;
  __threadfence();
  atomicExch(m.words, 0u);
}
bool lock_is_right(const Memory& m) { return m.floats[0] == 6; }

struct WithHoles {
  unsigned char small;
  double large;
};
__global__ void narrow_neighbours(Memory m) {
  auto* halves = reinterpret_cast<unsigned short*>(m.words);
  auto* bytes = reinterpret_cast<unsigned char*>(m.floats);
  auto& x = shared<WithHoles[32]>([] {});
  halves[threadIdx.x] = static_cast<unsigned short>(threadIdx.x);
  bytes[threadIdx.x] = static_cast<unsigned char>(threadIdx.x);
  x[threadIdx.x].small = 1;
  x[threadIdx.x].large = 2;
  __syncthreads();
  const WithHoles other = x[threadIdx.x ^ 1u];
  if (other.large != 2) __trap();
  WithHoles copy;
  memcpy(&copy, &x[threadIdx.x ^ 1u], sizeof copy);
  if (copy.small != 1) __trap();
}
bool neighbours_are_right(const Memory& m) { return m.words[1] == (3u << 16 | 2u); }

__global__ void barriers_count(Memory m) {
  const int odd = static_cast<int>(threadIdx.x % 2), n = __syncthreads_count(odd);
  const int all = __syncthreads_and(odd), any = __syncthreads_or(odd);
  const int every = __syncthreads_and(1), none = __syncthreads_or(0);
  m.words[threadIdx.x] = static_cast<unsigned>(n * 10000 + all * 1000 + any * 100 + every * 10 + none);
}
bool counts_are_right(const Memory& m) { return m.words[0] == 240110 && m.words[47] == 240110; }

constexpr Case kCases[] = {
    {"last_block_sums", last_block_sums, 5, 64, 0, "", "", sums_are_right},
    {"warp_exchange", warp_exchange, 1, 64, 0, "", "", exchange_is_right},
    {"double_buffer", double_buffer, 1, 96, 0, "", "", buffer_is_right},
    {"ticket_slots", ticket_slots, 4, 40, 0, "", "", slots_are_right},
    {"partial_masks", partial_masks, 1, 32, 0, "", "", masks_are_right},
    {"chained_masks", chained_masks, 1, 32, 0, "", "", chain_is_right},
    {"waits_for_block", waits_for_block, 3, 1, 0, "", "", waiting_is_right},
    {"volatile_flag", volatile_flag, 1, 64, 0, "", "", waiting_is_right},
    {"grid_barrier", grid_barrier, 12, 1, 0, "", "", grid_barrier_is_right},
    {"lock", lock, 6, 32, 0, "", "", lock_is_right},
    {"narrow_neighbours", narrow_neighbours, 1, 32, 0, "", "", neighbours_are_right},
    {"barriers_count", barriers_count, 1, 48, 0, "", "", counts_are_right},
};

__global__ void collectives(unsigned* out) {
  const unsigned t = threadIdx.x, x = t * t + 3;
  int row = 0;
  const auto put = [&](unsigned value) { out[row++ * 32 + static_cast<int>(t)] = value; };
  put(__shfl_sync(kAll, x, 7));
  put(__shfl_sync(kAll, x, 9, 8));
  put(__shfl_up_sync(kAll, x, 3));
  put(__shfl_up_sync(kAll, x, 3, 16));
  put(__shfl_down_sync(kAll, x, 5));
  put(__shfl_down_sync(kAll, x, 5, 8));
  put(__shfl_xor_sync(kAll, x, 21));
  put(__shfl_xor_sync(kAll, x, 12, 8));
  put(static_cast<unsigned>(__shfl_sync(kAll, 1.0e10 * t, 31) / 1e10));
  put(__shfl_sync(kAll, static_cast<unsigned short>(t), 30));
  put(__ballot_sync(kAll, t % 3 == 0));
  put(static_cast<unsigned>(__any_sync(kAll, t == 9)));
  put(static_cast<unsigned>(__all_sync(kAll, t != 9)));
  put(__match_any_sync(kAll, t % 5));
  int same = 0;
  put(__match_all_sync(kAll, 1ull << 40, &same) + static_cast<unsigned>(same));
  put(__match_all_sync(kAll, t / 31, &same) + static_cast<unsigned>(same));
  put(__reduce_add_sync(kAll, x));
  put(__reduce_min_sync(kAll, x));
  put(static_cast<unsigned>(__reduce_min_sync(kAll, static_cast<int>(t) - 9)));
  put(__reduce_max_sync(kAll, x));
  put(static_cast<unsigned>(__reduce_max_sync(kAll, static_cast<int>(t) - 40)));
  put(__reduce_and_sync(kAll, x | 4));
  put(__reduce_or_sync(kAll, x));
  put(__reduce_xor_sync(kAll, x));
}

__global__ void atomics(Atomics* a) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  atomicAdd(&a->add, i);
  atomicSub(&a->sub, i);
  atomicExch(&a->exchanged, i + 1);
  atomicMin(&a->least, i + 1000);
  atomicMax(&a->most, i + 1000);
  atomicInc(&a->increased, 99);
  atomicDec(&a->decreased, 99);
  atomicAnd(&a->all, ~(1u << i % 8));
  atomicOr(&a->any, 1u << i % 8);
  atomicXor(&a->odd, 1u << i % 3);
  atomicCAS(&a->once, 0u, i + 1);
  atomicMin(&a->least_signed, -static_cast<int>(i));
  atomicAdd(&a->add_long, 1ull << 33);
  atomicMax(&a->most_long, static_cast<unsigned long long>(i) << 33);
  atomicAdd(&a->add_float, 0.5f);
  atomicAdd(&a->add_double, 0.25);
}

}  // namespace

std::span<const Case> clean_kernels() { return kCases; }

Grid collectives_grid(unsigned* results) {
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(1);
  config.blockDim = dim3(32);
  return make_grid("collectives", config, collectives, results);
}
Grid atomics_grid(Atomics* results) {
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(4);
  config.blockDim = dim3(64);
  return make_grid("atomics", config, atomics, results);
}

}  // namespace simt::test
