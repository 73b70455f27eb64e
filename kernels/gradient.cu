// The pass over all gradients before an update: a block takes a chunk of one tensor at a time, the last block at a
// tensor adds its chunks up, and the last one of all makes the factors.
#include "kernels/gradient.cuh"

#include "kernels/update.cuh"

namespace fuselage::kernels {

namespace {

/// Lane l of a chunk of `n` elements from `first` on: its sum of squares. Adds to `nonfinite`.
template <class T>
__device__ __forceinline__ double lane_squares(const GradientFactors& before, const UpdateTensor& tensor,
                                               std::int64_t first, int n, int l, unsigned& nonfinite) {
  const T* g = static_cast<const T*>(tensor.gradient) + first;
  double sum = 0;
#pragma unroll 8
  for (int i = l; i < n; i += kLanes) {
    const float x = before.unscaled(to_float(g[i]));
    nonfinite += !(abs(x) < __builtin_inff());
    const double clipped = before.limited(x);
    sum = fma(clipped, clipped, sum);
  }
  return sum;
}

/// The factors of all tensors from their sums of squares; by one block.
__device__ __forceinline__ void make_factors(const UpdateScalars& s, const GradientFactors& before) {
  const GradientPass& a = s.gradient;
  double* const terms = a.of_tensors + a.table.count;
  const int threads = static_cast<int>(blockDim.x), thread = static_cast<int>(threadIdx.x);
  for (std::int64_t t = thread; t < a.table.count; t += threads) {
    const UpdateTensor& tensor = a.table.tensors[t];
    if (tensor.size == 0 || s.groups[tensor.group].frozen) a.of_tensors[t] = 0;
    terms[t] = clipped_square(a.options, a.of_tensors[t]);
  }
  auto& of_all = shared<double>([] {});
  const double squared = block_sequence(terms, a.table.count, 1);
  if (thread == 0) {
    a.found->squared = squared;
    of_all = clip_factor(squared, a.options.clip_norm);
  }
  __syncthreads();
  for (std::int64_t t = thread; t < a.table.count; t += threads)
    a.factors[t] = {before.unscale, before.limit, tensor_factor(a.options, a.of_tensors[t], of_all)};
}

// budget: gradient_kernel registers<=64 spills=0
__global__ void __launch_bounds__(kUpdateThreads, 4) gradient_kernel(const __grid_constant__ UpdateScalars s) {
  if (judge_step(*s.state, s.gate, nullptr) != StepVerdict::move) return;  // as all blocks
  const GradientPass& a = s.gradient;
  const GradientFactors before = gradient_factors(a.options, s.state->loss_scale);
  auto& lanes = shared<double[kLanes]>([] {});
  unsigned nonfinite = 0;
  for (std::int64_t chunk = blockIdx.x; chunk < a.table.chunks; chunk += gridDim.x) {
    const ChunkPlace at = place_of(a.table, chunk);
    const UpdateTensor& tensor = a.table.tensors[at.tensor];
    if (s.groups[tensor.group].frozen) continue;  // as all blocks at this tensor
    with_real(tensor.dtype, [&]<class T>() {
      for (int l = static_cast<int>(threadIdx.x); l < kLanes; l += static_cast<int>(blockDim.x))
        lanes[l] = lane_squares<T>(before, tensor, at.first, at.size, l, nonfinite);
    });
    const double square = block_lanes(lanes);
    if (threadIdx.x == 0) a.squares[chunk] = square;
    const std::int64_t first = a.table.first_chunk[at.tensor], chunks = a.table.first_chunk[at.tensor + 1] - first;
    if (!last_of(static_cast<unsigned>(chunks), a.tickets + at.tensor)) continue;
    const double total = block_sequence(a.squares + first, chunks, 1);
    if (threadIdx.x == 0) a.of_tensors[at.tensor] = total;
  }
  if (nonfinite > 0) atomicAdd(&a.found->nonfinite, static_cast<unsigned long long>(nonfinite));
  if (last_block(a.tickets + a.table.count)) make_factors(s, before);
}

}  // namespace

void look_at_gradients(const UpdateScalars& scalars, CUstream_st* stream) {
  launch({.name = "gradients of an update",
          .blocks = blocks_for(scalars.gradient.table.chunks, 1),
          .threads = threads_for(kUpdateThreads),
          .stream = stream},
         gradient_kernel, scalars);
}

}  // namespace fuselage::kernels
