// Accesses to memory that is not there, not aligned or not written.
#include <climits>

#include "kernels/device.cuh"
#include "tests/simt/kernels/cases.h"

namespace simt::test {

namespace {

using fuselage::kernels::dynamic_shared;
using fuselage::kernels::shared;

constexpr float kTable[] = {1, 2, 3, 4};

__global__ void past_the_end(Memory m) {
  if (blockIdx.x == 1)
    m.words[threadIdx.x] = static_cast<unsigned>(m.floats[kFloats - 31 + threadIdx.x]);  // here: past_the_end
}
__global__ void before_begin(Memory m) {
  m.floats[static_cast<int>(threadIdx.x) - 1] = 1;  // here: before_begin
}
__global__ void freed(Memory m) {
  m.words[0] = static_cast<unsigned>(m.freed[2]);  // here: freed
}
__global__ void host_read(Memory m) {
  m.words[0] = static_cast<unsigned>(m.host[0]);  // here: host_read
}
__global__ void constant_written(Memory m) {
  const float* p = m.words[0] == 0 ? kTable : m.floats;
  m.floats[0] = p[m.words[1]];
  const_cast<volatile float*>(p)[m.words[1]] = 1;  // here: constant_written
}
__global__ void shared_past_the_end(Memory m) {
  auto& x = shared<float[33]>([] {});
  float* p = x;
  p[2 * threadIdx.x + m.words[0]] = 1;  // here: shared_past_the_end
}
__global__ void dynamic_past_the_end(Memory m) {
  dynamic_shared<float>()[threadIdx.x + m.words[0]] = 1;  // here: dynamic_past_the_end
}
__global__ void none_launched(Memory m) {
  dynamic_shared<float>()[m.words[0]] = 1;  // here: none_launched
}
__global__ void stack_of_another(Memory m) {
  auto& p = shared<float*>([] {});
  float own = m.floats[0];
  if (threadIdx.x == 0) p = &own;
  __syncthreads();
  if (threadIdx.x == 40) *p = 2;  // here: stack_of_another
  __syncthreads();
  m.floats[threadIdx.x] = own;
}
__global__ void misaligned_word(Memory m) {
  const auto* p = reinterpret_cast<const unsigned*>(reinterpret_cast<const char*>(m.words) + 2);
  m.words[8] = p[threadIdx.x];  // here: misaligned_word
}
__global__ void misaligned_vector(Memory m) {
  const float4 x = *reinterpret_cast<const float4*>(m.floats + 2 + 4 * threadIdx.x);  // here: misaligned_vector
  m.words[threadIdx.x] = static_cast<unsigned>(x.x);
}
__global__ void misaligned_atomic(Memory m) {
  atomicAdd(reinterpret_cast<unsigned*>(reinterpret_cast<char*>(m.words) + 2), 1u);  // here: misaligned_atomic
}
__global__ void never_written(Memory m) {
  if (threadIdx.x == 0) m.fresh[0] = 1;
  m.words[threadIdx.x] = static_cast<unsigned>(m.fresh[threadIdx.x]);  // here: never_written
}
__global__ void half_written(Memory m) {
  m.fresh[2] = m.fresh[3] = m.fresh[0] = 1;
  const float4 x = *reinterpret_cast<const float4*>(m.fresh);  // here: half_written
  m.words[0] = static_cast<unsigned>(x.x + x.y + x.z + x.w);
}
__global__ void shared_never_written(Memory m) {
  auto& x = shared<float[64]>([] {});
  if (threadIdx.x != 9) x[threadIdx.x] = 1;
  __syncthreads();
  m.floats[threadIdx.x] = x[threadIdx.x];  // here: shared_never_written
}
__global__ void shared_of_last_block(Memory m) {  // no block finds what another one left
  auto& x = shared<float>([] {});
  if (m.words[0] == blockIdx.x) x = 1;
  m.floats[blockIdx.x] = x;  // here: shared_of_last_block
}
__global__ void counter_never_written(Memory m) {
  atomicAdd(m.fresh, 1.0f);  // here: counter_never_written
}
__global__ void copied_past_the_end(Memory m) {
  memcpy(m.floats, m.floats + kFloats - 2, 12);  // here: copied_past_the_end
}
__global__ void sum_overflows(Memory m) {
  int x = INT_MAX - static_cast<int>(m.words[0]);
  x += static_cast<int>(threadIdx.x);  // here: sum_overflows
  m.floats[threadIdx.x] = static_cast<float>(x);
}
__global__ void index_out_of_bounds(Memory m) {
  float x[4] = {1, 2, 3, 4};
  x[m.words[0] + threadIdx.x] = 2;  // here: index_out_of_bounds
  m.floats[threadIdx.x] = x[m.words[1]];
}

constexpr Case kCases[] = {
    {"past_the_end", past_the_end, 3, 32, 0, "reads byte 16384 of allocation", "block (1,0,0), thread (31,0,0)"},
    {"before_begin", before_begin, 1, 1, 0, "writes "},
    {"freed", freed, 1, 1, 0, "which was freed"},
    {"host_read", host_read, 1, 1, 0, "reads host memory"},
    {"constant_written", constant_written, 1, 1, 0, "writes host memory"},
    {"shared_past_the_end", shared_past_the_end, 2, 18, 0,
     "writes byte 136 of a variable in shared memory, which has 132 bytes"},
    {"dynamic_past_the_end", dynamic_past_the_end, 1, 32, 124, "byte 124 of dynamic shared memory, which has 124 bytes",
     "thread (31,0,0)"},
    {"none_launched", none_launched, 1, 1, 0, "byte 0 of dynamic shared memory, which has 0 bytes"},
    {"stack_of_another", stack_of_another, 1, 64, 0, "writes the stack of another thread", "thread (40,0,0)"},
    {"misaligned_word", misaligned_word, 1, 1, 0, "misaligned"},
    {"misaligned_vector", misaligned_vector, 1, 1, 0, "misaligned address, which should be a multiple of 16"},
    {"misaligned_atomic", misaligned_atomic, 1, 1, 0, "misaligned"},
    {"never_written", never_written, 1, 2, 0, "which was never written"},
    {"half_written", half_written, 1, 1, 0, "reads byte 4 of allocation"},
    {"shared_never_written", shared_never_written, 1, 64, 0, "reads byte 36 of a variable in shared memory",
     "thread (9,0,0)"},
    {"shared_of_last_block", shared_of_last_block, 4, 1, 0, "which was never written"},
    {"counter_never_written", counter_never_written, 1, 1, 0, "which was never written"},
    {"copied_past_the_end", copied_past_the_end, 1, 1, 0, "reads byte 16384 of allocation"},
    {"sum_overflows", sum_overflows, 1, 2, 0, "undefined behaviour: sum overflows", "thread (1,0,0)"},
    {"index_out_of_bounds", index_out_of_bounds, 1, 5, 0, "index out of an array's bounds", "thread (4,0,0)"},
};

}  // namespace

std::span<const Case> access_faults() { return kCases; }

}  // namespace simt::test
