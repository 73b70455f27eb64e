// Passes over groups of rows: value and coefficients from the sums of the cells, and the gradient.
#include "kernels/groups.cuh"

namespace fuselage::kernels {

namespace {

/// A block as a team for close_penalty.
struct BlockTeam {
  double* fold;

  template <class F>
  __device__ __forceinline__ void for_each(std::int64_t n, F&& f) const {
    for (std::int64_t i = threadIdx.x; i < n; i += blockDim.x) f(i);
  }
  template <class F>
  __device__ __forceinline__ double sum(std::int64_t n, F&& f) const {
    auto& result = shared<double>([] {});
    for_each(n, [&](std::int64_t i) { fold[i] = f(i); });
    const double sum = block_chunk(fold, static_cast<int>(n), 1);
    if (threadIdx.x == 0) result = sum;
    __syncthreads();
    const double seen = result;
    __syncthreads();  // before the next one
    return seen;
  }
  /// By the first warp; among equals the first index wins, whoever looks at it.
  template <class Counts, class F>
  __device__ __forceinline__ std::int64_t first_greatest(std::int64_t n, Counts&& counts, F&& f) const {
    auto& result = shared<std::int64_t>([] {});
    if (warp_id() == 0) {
      std::int64_t best = -1;
      double most = 0;
      for (std::int64_t i = lane_id(); i < n; i += kWarp) {
        if (!counts(i)) continue;
        const double x = f(i);
        if (x == x && (best < 0 || x > most)) {
          best = i;
          most = x;
        }
      }
#pragma unroll
      for (int o = kWarp / 2; o > 0; o /= 2) {
        const long long other = __shfl_xor_sync(kFullWarp, static_cast<long long>(best), o);
        const double x = __shfl_xor_sync(kFullWarp, most, o);
        if (other >= 0 && (best < 0 || x > most || (x == most && other < best))) {
          best = other;
          most = x;
        }
      }
      if (lane_id() == 0) result = best;
    }
    __syncthreads();
    const std::int64_t seen = result;
    __syncthreads();  // before the next one
    return seen;
  }
};

/// One block: the report, value and coefficients.
// budget: group_close_kernel registers<=128 spills=0
__global__ void __launch_bounds__(kGroupThreads, 1) group_close_kernel(const __grid_constant__ GroupArgs a) {
  auto& rejected = shared<bool>([] {});
  const GroupCounts found = group_counts_of(a);
  if (threadIdx.x == 0) rejected = rejects(a, found) || (a.gate && a.gate->rejected);
  __syncthreads();
  const double factor = static_cast<double>(a.scale) * static_cast<double>(a.upstream ? *a.upstream : 1.0f);
  const PenaltyValue value = close_penalty(BlockTeam{a.fold}, a.rule, a.limits.groups,
                                           CellSums{a.sums, a.sums + a.cells}, a.coefficient, a.q, !rejected, factor);
  if (threadIdx.x > 0) return;
  LossReport report = group_report(a, found);
  value.put(report, a.q);
  *a.report = report;
  *a.end = {};
}

/// The derivative by element (r, c) of a row that takes part.
__device__ __forceinline__ double derivative_at(const GroupArgs& a, std::int32_t cell, std::int64_t r, std::int64_t c) {
  const double coefficient = a.coefficient[cell];
  if (a.rule.of_values) return coefficient;
  const double of_row = coefficient * a.terms[r];
  const float x = real_at(a.prediction, r, c);
  if (!a.softmax) return of_row * row_score(a.rule, x, 0).grad;
  return of_row * softmax_slope(x, {a.max[r], a.total[r]}, a.x_positive[r], c == a.rule.positive);
}

// budget: group_gradient_kernel registers<=80 spills=0
__global__ void __launch_bounds__(kGroupThreads) group_gradient_kernel(const __grid_constant__ GroupArgs a) {
  unsigned nonfinite = 0;
  for (std::int64_t i = thread_of_grid(); i < a.rows * a.cols; i += threads_of_grid()) {
    const std::int64_t r = i / a.cols, c = i - r * a.cols;
    const std::int32_t cell = a.cell[r];
    if (cell < 0 && a.accumulate) continue;
    const double derivative = cell < 0 ? 0 : derivative_at(a, cell, r, c);
    with_real(a.gradient.dtype, [&]<class T>() {
      T* const to = static_cast<T*>(a.gradient.data) + r * a.gradient.row_stride + c * a.gradient.col_stride;
      const float next = next_gradient(a.accumulate, a.accumulate ? *to : T{}, derivative);
      nonfinite += abs(next) < finite_limit<T>() ? 0 : 1;
      *to = from_float<T>(next);
    });
  }
  nonfinite = warp_reduce(nonfinite, Sum{});
  if (lane_id() == 0 && nonfinite > 0) atomicAdd(&a.end->nonfinite, static_cast<Count>(nonfinite));
  if (!last_block(&a.end->ticket) || threadIdx.x > 0) return;
  a.report->nonfinite = static_cast<std::int64_t>(a.end->nonfinite);
  if (a.report->nonfinite > 0) a.report->rejected = true;
}

}  // namespace

void launch_group_end(const GroupArgs& a, CUstream_st* stream) {
  const int threads = threads_for(kGroupThreads);
  launch({.name = "end of groups", .blocks = 1, .threads = threads, .stream = stream}, group_close_kernel, a);
  if (a.gradient.data && a.rows * a.cols > 0)
    launch({.name = "gradient of groups",
            .blocks = blocks_for(a.rows * a.cols, threads),
            .threads = threads,
            .stream = stream},
           group_gradient_kernel, a);
}

}  // namespace fuselage::kernels
