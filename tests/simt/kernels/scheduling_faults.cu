// Barriers, masks and lanes gone wrong, and limits.
#include "kernels/device.cuh"
#include "tests/simt/kernels/cases.h"

namespace simt::test {

namespace {

using fuselage::kernels::dynamic_shared;
using fuselage::kernels::shared;

__global__ void barrier_places(Memory m) {
  if (threadIdx.x < 32)
    __syncthreads();  // here: barrier_places
  else
    __syncthreads();  // there: barrier_places
  m.words[0] = 1;
}

__global__ void barrier_kinds(Memory m) {
  if (threadIdx.x < 32)
    __syncthreads();  // here: barrier_kinds
  else
    m.words[threadIdx.x] = static_cast<unsigned>(__syncthreads_or(1));  // there: barrier_kinds
}

__global__ void barrier_exited(Memory m) {
  if (threadIdx.x == 5) return;
  __syncthreads();  // here: barrier_exited
  m.words[0] = 1;
}

__global__ void barrier_and_warp(Memory) {
  if (threadIdx.x == 3)
    __syncthreads();  // there: barrier_and_warp
  else
    __syncwarp();  // here: barrier_and_warp
}

__global__ void lane_not_in_mask(Memory) {
  if (threadIdx.x == 1) __syncwarp(1);  // here: lane_not_in_mask
}

__global__ void lanes_absent(Memory) {
  __syncwarp();  // here: lanes_absent
}

__global__ void lane_exited(Memory) {
  if (threadIdx.x == 3) return;
  __syncwarp();  // here: lane_exited
}

__global__ void masks_differ(Memory) {
  if (threadIdx.x < 16)
    __syncwarp();  // here: masks_differ
  else
    __syncwarp(0xffff8000u);  // there: masks_differ
}

__global__ void mask_of_some(Memory) {  // the upper half goes on without the lower one
  if (threadIdx.x < 16)
    __syncwarp();  // here: mask_of_some
  else
    __syncwarp(0xffff0000u);
}

__global__ void calls_differ(Memory m) {
  const int x = threadIdx.x < 16 ? __any_sync(0xffffffffu, 1)   // here: calls_differ
                                 : __all_sync(0xffffffffu, 1);  // there: calls_differ
  m.words[threadIdx.x] = static_cast<unsigned>(x);
}

__global__ void shuffle_from_stranger(Memory m) {
  if (threadIdx.x < 16) m.words[threadIdx.x] = __shfl_sync(0xffffu, threadIdx.x, 20);  // here: shuffle_from_stranger
}

__global__ void spins(Memory m) {
  while (atomicAdd(m.words, 0u) == 0) __nanosleep(100);
}

__global__ void much_static(Memory m) {
  auto& x = shared<float[10000]>([] {});
  auto& y = shared<float[10000]>([] {});
  m.floats[0] = x[0] + y[0];
}

__global__ void much_in_all(Memory m) {
  auto& x = shared<float[1000]>([] {});
  x[0] = m.floats[0];
  m.floats[0] = x[0] + dynamic_shared<float>()[0];
}

__global__ void trap(Memory) {
  if (blockIdx.x == 1 && threadIdx.x == 7) __trap();  // here: trap
}

constexpr Case kCases[] = {
    {"barrier_places", barrier_places, 1, 64, 0, "divergent barrier"},
    {"barrier_kinds", barrier_kinds, 1, 64, 0, "__syncthreads_or at"},
    {"barrier_exited", barrier_exited, 2, 64, 0, "never reached by 1 threads of the block, which have exited"},
    {"barrier_and_warp", barrier_and_warp, 1, 32, 0, "31 wait in __syncwarp"},
    {"lane_not_in_mask", lane_not_in_mask, 2, 32, 0, "with mask 0x00000001, which leaves out the caller's own lane 1",
     "thread (1,0,0)"},
    {"lanes_absent", lanes_absent, 1, 30, 0, "names lanes 30, 31, which the block does not have"},
    {"lane_exited", lane_exited, 1, 32, 0, "names lane 3, which has exited"},
    {"masks_differ", masks_differ, 1, 32, 0, "divergent warp"},
    {"mask_of_some", mask_of_some, 1, 32, 0, "with mask 0xffffffff names lane"},
    {"calls_differ", calls_differ, 1, 32, 0, "divergent warp"},
    {"shuffle_from_stranger", shuffle_from_stranger, 1, 32, 0, "reads from lane 20, which takes no part"},
    {"spins", spins, 3, 32, 0, "all that run wait for one another"},
    {"much_static", much_static, 1, 1, 0, "more static shared memory than 48 KiB: 80000 bytes"},
    {"much_in_all", much_in_all, 1, 1, 230 * 1024, "more shared memory than a block's 227 KiB"},
    {"trap", trap, 3, 32, 0, "__trap()", "block (1,0,0), thread (7,0,0)"},
};

}  // namespace

std::span<const Case> scheduling_faults() { return kCases; }

Grid grid_of(const Case& one, const Memory& memory) {
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(one.blocks);
  config.blockDim = dim3(one.threads);
  config.dynamicSmemBytes = one.dynamic_bytes;
  return make_grid(one.name, config, one.kernel, memory);
}

namespace {

__global__ void pointer_kernel(float* p) { *p = 1; }
__global__ void add_one_kernel(float* p, int n) {
  for (int i = static_cast<int>(threadIdx.x); i < n; i += static_cast<int>(blockDim.x)) p[i] = p[i] + 1;
}

}  // namespace

Grid grid_with_pointer(float* pointer) {
  cudaLaunchConfig_t config{};
  config.gridDim = config.blockDim = dim3(1);
  return make_grid("with pointer", config, pointer_kernel, pointer);
}

cudaError_t add_one(float* floats, int n, cudaStream_t stream) {
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(1);
  config.blockDim = dim3(64);
  config.stream = stream;
  return fuselage::kernels::start("add one", config, add_one_kernel, floats, n);
}

}  // namespace simt::test
