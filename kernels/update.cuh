// One step of every parameter: tensors of all sizes and types, moved in place, in one launch for each rule. A block
// takes a chunk of one tensor at a time and finds the tensor in the table; what is loaded, converted and stored does
// not depend on the rule, whose body is compiled once, on floats in registers.
#pragma once

#include "kernels/launch.cuh"
#include "kernels/memory.cuh"
#include "kernels/reduce.cuh"

namespace fuselage::kernels {

inline constexpr int kUpdateThreads = 256;  ///< the most of a block
inline constexpr int kUpdateWidth = 8;      ///< elements that a thread moves at a time

/// The memory of kUpdateWidth elements: loaded whole before any of it is converted, so that loads do not wait for each
/// other.
struct Words {
  uint4 low, high;  ///< `high` of fp32 alone
};

/// From an address aligned to 16 bytes.
__device__ __forceinline__ Words load_words(const void* data, DType type, std::int64_t i) {
  const auto* at = reinterpret_cast<const uint4*>(static_cast<const char*>(data) + i * (type == DType::f32 ? 4 : 2));
  Words w;
  w.low = at[0];
  if (type == DType::f32) w.high = at[1];
  return w;
}

template <class T>
__device__ __forceinline__ void floats_of(const Words& w, float (&x)[kUpdateWidth]) {
  T raw[kUpdateWidth];
  memcpy(raw, &w, sizeof raw);
#pragma unroll
  for (int v = 0; v < kUpdateWidth; ++v) x[v] = to_float(raw[v]);
}

/// A tensor's step: what the rule does, and what happens before.
template <class R>
struct ElementStep {
  Regularisation before;
  typename R::Step step;
  GradientFactors factors;

  template <int N>
  __device__ __forceinline__ void prepare(float (&g)[N]) const {
    if (factors.trivial()) return;
#pragma unroll
    for (int v = 0; v < N; ++v) g[v] = factors.of(g[v]);
  }
  /// `n` of the places are elements, and all of them are computed.
  template <int N>
  __device__ __forceinline__ void move(float (&p)[N], float (&g)[N], float (&state)[optim::kMaxSlots][N]) const {
    prepare(g);
#pragma unroll
    for (int v = 0; v < N; ++v) {
      float slot[optim::kMaxSlots];
#pragma unroll
      for (int k = 0; k < R::slots; ++k) slot[k] = state[k][v];
      before.apply(p[v], g[v]);
      R::update(step, p[v], g[v], slot);
#pragma unroll
      for (int k = 0; k < R::slots; ++k) state[k][v] = slot[k];
    }
  }
};

/// kUpdateWidth elements of a tensor whose memory is aligned to 16 bytes, from index i on.
template <class R>
__device__ __forceinline__ void update_words(const ElementStep<R>& step, const UpdateTensor& t, std::int64_t i) {
  constexpr int N = kUpdateWidth;
  float p[N], g[N], state[optim::kMaxSlots][N];
  const Words value = load_words(t.value, t.dtype, i), gradient = load_words(t.gradient, t.dtype, i);
#pragma unroll
  for (int k = 0; k < R::slots; ++k) {
    if (t.state[k])
      load_floats<N>(t.state[k] + i, state[k]);
    else
#pragma unroll
      for (int v = 0; v < N; ++v) state[k][v] = 0;
  }
  with_real(t.dtype, [&]<class T>() {
    floats_of<T>(value, p);
    floats_of<T>(gradient, g);
  });
  step.move(p, g, state);
  with_real(t.dtype, [&]<class T>() { store_floats(p, static_cast<T*>(t.value) + i); });
#pragma unroll
  for (int k = 0; k < R::slots; ++k)
    if (t.state[k]) store_floats(state[k], t.state[k] + i);
}

/// One element of any tensor.
template <class R>
struct Element {
  float p[1], g[1], state[optim::kMaxSlots][1];

  __device__ __forceinline__ Element(const UpdateTensor& t, std::int64_t i) {
    with_real(t.dtype, [&]<class T>() {
      p[0] = to_float(static_cast<const T*>(t.value)[i]);
      g[0] = to_float(static_cast<const T*>(t.gradient)[i]);
    });
#pragma unroll
    for (int k = 0; k < R::slots; ++k) state[k][0] = t.state[k] ? t.state[k][i] : 0.0f;
  }
  __device__ __forceinline__ void store(const UpdateTensor& t, std::int64_t i) const {
    with_real(t.dtype, [&]<class T>() { static_cast<T*>(t.value)[i] = from_float<T>(p[0]); });
#pragma unroll
    for (int k = 0; k < R::slots; ++k)
      if (t.state[k]) t.state[k][i] = from_float<float>(state[k][0]);
  }
};

__device__ __forceinline__ bool aligned(const UpdateTensor& t) {
  auto addresses = reinterpret_cast<std::uintptr_t>(t.value) | reinterpret_cast<std::uintptr_t>(t.gradient);
#pragma unroll
  for (int k = 0; k < optim::kMaxSlots; ++k) addresses |= reinterpret_cast<std::uintptr_t>(t.state[k]);
  return addresses % 16 == 0;
}

/// Where chunk `chunk` of a table lies.
struct ChunkPlace {
  std::int64_t tensor, first;  ///< its first element
  int size;
};
__device__ __forceinline__ ChunkPlace place_of(const UpdateTable& table, std::int64_t chunk) {
  const std::int64_t t = tensor_of_chunk(table.first_chunk, table.count, chunk), c = chunk - table.first_chunk[t];
  return {t, c * kChunk, chunk_length(table.tensors[t].size, c)};
}

__device__ __forceinline__ GradientFactors factors_of(const UpdateTensor& tensor) {
  return tensor.factors ? *tensor.factors : GradientFactors{};
}

template <class R>
__global__ void __launch_bounds__(kUpdateThreads, 2)
    update_kernel(const __grid_constant__ UpdateRule rule, const PreparedGroup* prepared) {
  for (std::int64_t chunk = blockIdx.x; chunk < rule.table.chunks; chunk += gridDim.x) {
    const ChunkPlace at = place_of(rule.table, chunk);
    const UpdateTensor tensor = rule.table.tensors[at.tensor];
    const PreparedGroup& group = prepared[tensor.group];
    if (!group.apply) continue;
    const StepBytes& bytes = optim::NormRule<R> ? rule.fitted[at.tensor] : group.step;
    const ElementStep<R> step{group.regularisation, bytes.of<R>(), factors_of(tensor)};
    const int threads = static_cast<int>(blockDim.x), thread = static_cast<int>(threadIdx.x);
    const int whole = aligned(tensor) ? at.size / kUpdateWidth * kUpdateWidth : 0;
    for (int i = thread * kUpdateWidth; i < whole; i += threads * kUpdateWidth)
      update_words<R>(step, tensor, at.first + i);
    for (int i = whole + thread; i < at.size; i += threads) {
      Element<R> element(tensor, at.first + i);
      step.move(element.p, element.g, element.state);
      element.store(tensor, at.first + i);
    }
  }
}

/// The norms of a rule's tensors, and what becomes of their steps: the last block at a tensor adds its chunks up.
template <class R>
__global__ void __launch_bounds__(kUpdateThreads, 2)
    measure_kernel(const __grid_constant__ UpdateRule rule, const PreparedGroup* prepared) {
  const UpdateTable& table = rule.table;
  double *const of_p = rule.squares, *const of_measured = rule.squares + table.chunks;
  auto& p_lanes = shared<double[kLanes]>([] {});
  auto& measured_lanes = shared<double[kLanes]>([] {});
  for (std::int64_t chunk = blockIdx.x; chunk < table.chunks; chunk += gridDim.x) {
    const ChunkPlace at = place_of(table, chunk);
    const UpdateTensor tensor = table.tensors[at.tensor];
    const PreparedGroup& group = prepared[tensor.group];
    if (!group.apply) continue;  // as all blocks at this tensor
    const ElementStep<R> step{group.regularisation, group.step.of<R>(), factors_of(tensor)};
    __syncthreads();  // the lanes of the last chunk were read
    for (int l = static_cast<int>(threadIdx.x); l < kLanes; l += static_cast<int>(blockDim.x)) {
      double p_sum = 0, measured_sum = 0;
      for (int i = l; i < at.size; i += kLanes) {
        Element<R> e(tensor, at.first + i);
        float slot[optim::kMaxSlots];
#pragma unroll
        for (int k = 0; k < R::slots; ++k) slot[k] = e.state[k][0];
        step.prepare(e.g);
        step.before.apply(e.p[0], e.g[0]);
        const double p = e.p[0], measured = R::measured(step.step, e.p[0], e.g[0], slot);
        p_sum = fma(p, p, p_sum);
        measured_sum = fma(measured, measured, measured_sum);
      }
      p_lanes[l] = p_sum;
      measured_lanes[l] = measured_sum;
    }
    const double p_square = block_lanes(p_lanes), measured_square = block_lanes(measured_lanes);
    if (threadIdx.x == 0) {
      of_p[chunk] = p_square;
      of_measured[chunk] = measured_square;
    }
    const std::int64_t first = table.first_chunk[at.tensor], chunks = table.first_chunk[at.tensor + 1] - first;
    if (!last_of(static_cast<unsigned>(chunks), rule.tickets + at.tensor)) continue;
    const double p_total = block_sequence(of_p + first, chunks, 1);
    const double measured_total = block_sequence(of_measured + first, chunks, 1);
    if (threadIdx.x > 0) continue;
    typename R::Step fitted = step.step;
    if constexpr (optim::kKeepsANumber<R>) {
      R::fit(fitted, p_total, measured_total, *tensor.kept);
      *tensor.kept = canonical_nan(*tensor.kept);
    } else {
      double none = 0;
      R::fit(fitted, p_total, measured_total, none);
    }
    rule.fitted[at.tensor].of<R>() = fitted;
  }
}

}  // namespace fuselage::kernels
