// One step of every parameter in one launch: tensors of all sizes and types, moved in place. A block takes a chunk of
// one tensor at a time and finds the tensor in the table; parameters, gradients and state pass by 16 bytes at a time.
#pragma once

#include <utility>

#include "fuselage/optimizers.h"
#include "kernels/launch.cuh"
#include "kernels/memory.cuh"

namespace fuselage::kernels {

inline constexpr int kUpdateThreads = 256;  ///< the most of a block

/// What a step needs, left by prepare_kernel; in device memory, so that a captured graph goes on by itself.
template <class R>
struct Prepared {
  bool apply;
  typename R::Step step;
};

/// The options of an update that every rule shares.
struct Regularisation {
  float l1, l2;
  bool maximize;
};

template <class R, class S>
__global__ void prepare_kernel(const __grid_constant__ R rule, const __grid_constant__ S schedule, StepFields state,
                               const LossReport* gate, Prepared<R>* out) {
  out->apply = !(gate && gate->rejected);
  if (!out->apply) {
    ++*state.skipped;
    return;
  }
  const std::int64_t step = ++*state.step;
  *state.lr = rule.lr * schedule.factor(step - 1);
  out->step = rule.at(step, *state.lr);
}

/// g <- -g, then g + l2 p, then + l1 sign(p); each only where it is asked for.
__device__ __forceinline__ float regularised(const Regularisation& o, float p, float g) {
  if (o.maximize) g = -g;
  if (o.l2 != 0) g = fma(o.l2, p, g);
  if (o.l1 != 0) g = fma(o.l1, sign(p), g);
  return g;
}

/// N elements of a tensor, from index i on.
template <class R, int N, class T>
__device__ __forceinline__ void update_some(const typename R::Step& step, const Regularisation& o,
                                            const UpdateTensor& tensor, std::int64_t i) {
  float p[N], g[N], state[R::slots][N];
  T* value = static_cast<T*>(tensor.value) + i;
  load_floats<N>(value, p);
  load_floats<N>(static_cast<const T*>(tensor.gradient) + i, g);
#pragma unroll
  for (int k = 0; k < R::slots; ++k) load_floats<N>(tensor.state[k] + i, state[k]);
#pragma unroll
  for (int v = 0; v < N; ++v) {
    float slot[optim::kMaxSlots];
#pragma unroll
    for (int k = 0; k < R::slots; ++k) slot[k] = state[k][v];
    R::update(step, p[v], regularised(o, p[v], g[v]), slot);
#pragma unroll
    for (int k = 0; k < R::slots; ++k) state[k][v] = slot[k];
  }
  store_floats(p, value);
#pragma unroll
  for (int k = 0; k < R::slots; ++k) store_floats(state[k], tensor.state[k] + i);
}

/// `n` elements of a tensor, from index `first` on, by the block.
template <class R, class T>
__device__ __forceinline__ void update_chunk(const typename R::Step& step, const Regularisation& o,
                                             const UpdateTensor& tensor, std::int64_t first, int n) {
  constexpr int V = kVector<T>;
  auto addresses = reinterpret_cast<std::uintptr_t>(tensor.value) | reinterpret_cast<std::uintptr_t>(tensor.gradient);
#pragma unroll
  for (int k = 0; k < R::slots; ++k) addresses |= reinterpret_cast<std::uintptr_t>(tensor.state[k]);
  const int whole = addresses % 16 == 0 ? n / V * V : 0;
  const int threads = static_cast<int>(blockDim.x);
  for (int i = static_cast<int>(threadIdx.x) * V; i < whole; i += threads * V)
    update_some<R, V, T>(step, o, tensor, first + i);
  for (int i = whole + static_cast<int>(threadIdx.x); i < n; i += threads)
    update_some<R, 1, T>(step, o, tensor, first + i);
}

template <class R>
__global__ void __launch_bounds__(kUpdateThreads, 3)  // 48 KiB under way on a multiprocessor
    update_kernel(const __grid_constant__ UpdateTable table, const __grid_constant__ Regularisation options,
                  const Prepared<R>* prepared) {
  if (!prepared->apply) return;
  const typename R::Step step = prepared->step;
  for (std::int64_t chunk = blockIdx.x; chunk < table.chunks; chunk += gridDim.x) {
    const std::int64_t t = tensor_of_chunk(table.first_chunk, table.count, chunk);
    const UpdateTensor tensor = table.tensors[t];
    const std::int64_t c = chunk - table.first_chunk[t];
    with_real(tensor.dtype,
              [&]<class T>() { update_chunk<R, T>(step, options, tensor, c * kChunk, chunk_length(tensor.size, c)); });
  }
}

}  // namespace fuselage::kernels
