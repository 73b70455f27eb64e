// Sums of losses: what multiplies each term, what they come to, gradients added up; and the norms of parameters.
#include "kernels/launch.cuh"
#include "kernels/memory.cuh"
#include "kernels/pass.cuh"

namespace fuselage::kernels {

namespace {

constexpr int kAddThreads = 256;   // the most of a block
constexpr int kNormThreads = 128;  // likewise; a warp takes a chunk

// budget: weigh_kernel registers<=40 spills=0
__global__ void weigh_kernel(const __grid_constant__ TermWeights terms, const float* log_variances, float* factors) {
  for (std::int32_t i = 0; i < terms.count; ++i)
    factors[i] = from_float<float>(static_cast<float>(term_factor(terms, log_variances, i)));
}

// budget: total_kernel registers<=80 spills=0
__global__ void total_kernel(const __grid_constant__ TermWeights terms, const LossReport* reports,
                             const float* log_variances, float* log_variance_gradient, float scale, LossReport* total) {
  *total = total_of(terms, reports, log_variances, log_variance_gradient, scale);
}

// budget: add_kernel registers<=40 spills=0
template <class T>
__global__ void __launch_bounds__(kAddThreads)
    add_kernel(const __grid_constant__ MutablePlane sum, const __grid_constant__ Plane from, std::int64_t size,
               std::int64_t cols, LossReport* report) {
  for (std::int64_t i = thread_of_grid(); i < size; i += threads_of_grid()) {
    const std::int64_t r = i / cols, c = i % cols;
    T& to = static_cast<T*>(sum.data)[row_offset(sum, r) + c * sum.col_stride];
    const float a = to_float(to),
                b = to_float(static_cast<const T*>(from.data)[r * from.row_stride + c * from.col_stride]);
    const float s = a + b, limit = finite_limit<T>();
    to = from_float<T>(s);
    const bool grew_infinite = !(abs(s) < limit) && abs(a) < limit && abs(b) < limit;
    if (grew_infinite) atomicAdd(reinterpret_cast<Count*>(&report->nonfinite), Count{1});
  }
}

struct NormArgs {
  UpdateTable table;
  double *l1, *squared_l2;  // one for each chunk
  Counters* counters;
  ParameterNorms* out;
};

/// A chunk of a tensor, by a warp.
template <class T>
__device__ __forceinline__ void norm_chunk(const NormArgs& a, const UpdateTensor& tensor, std::int64_t first, int n,
                                           std::int64_t chunk) {
  const T* p = static_cast<const T*>(tensor.value) + first;
  double l1[kLanesOfThread] = {}, squares[kLanesOfThread] = {};
  for (int base = 0; base < n; base += kLanes)
#pragma unroll
    for (int j = 0; j < kLanesOfThread; ++j) {
      const int i = base + j * kWarp + lane_id();
      if (i >= n) continue;
      const auto x = static_cast<double>(to_float(p[i]));
      l1[j] = l1[j] + abs(x);
      squares[j] = fma(x, x, squares[j]);
    }
  const double sum_l1 = add_warp_lanes<1>(l1), sum_squares = add_warp_lanes<1>(squares);
  if (lane_id() > 0) return;
  a.l1[chunk] = sum_l1;
  a.squared_l2[chunk] = sum_squares;
}

// budget: norm_kernel registers<=80 spills=0
__global__ void __launch_bounds__(kNormThreads, 6) norm_kernel(const __grid_constant__ NormArgs a) {
  const std::int64_t warps = warps_of_block(), step = gridDim.x * warps;
  for (std::int64_t chunk = blockIdx.x * warps + warp_id(); chunk < a.table.chunks; chunk += step) {
    const std::int64_t t = tensor_of_chunk(a.table.first_chunk, a.table.count, chunk);
    const UpdateTensor tensor = a.table.tensors[t];
    const std::int64_t c = chunk - a.table.first_chunk[t];
    with_real(tensor.dtype,
              [&]<class T>() { norm_chunk<T>(a, tensor, c * kChunk, chunk_length(tensor.size, c), chunk); });
  }
  if (!last_block(&a.counters->ticket)) return;
  const double l1 = block_sequence(a.l1, a.table.chunks, 1);
  const double squared_l2 = block_sequence(a.squared_l2, a.table.chunks, 1);
  if (threadIdx.x == 0) *a.out = {canonical_nan(l1), canonical_nan(squared_l2)};
}

constexpr std::int64_t kDoublesOfLine = 32;  // 256 bytes
std::int64_t padded(std::int64_t n) { return ceil_div(n, kDoublesOfLine) * kDoublesOfLine; }

}  // namespace

void weigh_terms(const TermWeights& terms, const float* log_variances, float* factors, CUstream_st* stream) {
  launch({.name = "weights of terms", .blocks = 1, .threads = 1, .stream = stream}, weigh_kernel, terms, log_variances,
         factors);
}

void add_terms(const TermWeights& terms, const LossReport* reports, const float* log_variances,
               float* log_variance_gradient, float scale, LossReport* total, CUstream_st* stream) {
  launch({.name = "sum of terms", .blocks = 1, .threads = 1, .stream = stream}, total_kernel, terms, reports,
         log_variances, log_variance_gradient, scale, total);
}

void add(const View& sum, const ConstView& from, LossReport* report, CUstream_st* stream) {
  const std::int64_t size = sum.size();
  if (size == 0) return;
  const int threads = threads_for(kAddThreads);
  const Launch shape{
      .name = "sum of gradients", .blocks = blocks_for(size, threads), .threads = threads, .stream = stream};
  const auto to = plane_of(sum, sum.rows, sum.cols);
  const auto addend = plane_of(from, sum.rows, sum.cols);
  dispatch(sum.dtype, [&]<class T>() { launch(shape, add_kernel<T>, to, addend, size, sum.cols, report); });
}

std::size_t norm_scratch(const UpdateTable& table) {
  return static_cast<std::size_t>(2 * padded(table.chunks)) * sizeof(double);
}

void norms(const UpdateTable& table, ParameterNorms* out, const PassMemory& memory, CUstream_st* stream) {
  double* const parts = static_cast<double*>(memory.scratch);
  const NormArgs args{table, parts, parts + padded(table.chunks), static_cast<Counters*>(memory.counters), out};
  const int threads = threads_for(kNormThreads);
  launch({.name = "norms of parameters",
          .blocks = blocks_for(table.chunks, threads / kWarp),
          .threads = threads,
          .stream = stream},
         norm_kernel, args);
}

}  // namespace fuselage::kernels
