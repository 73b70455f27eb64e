// The small passes between the matrix products of a loss over all pairs of rows (pair_pass.h).
#include "fuselage/pair_pass.h"

#include "kernels/launch.cuh"
#include "kernels/pass.cuh"

namespace fuselage::kernels {

namespace {

constexpr int kPairThreads = 256;  // the most of a block

/// The sum over a row by a warp: chunk sums are added in order. All threads get it.
template <class Get>
__device__ __forceinline__ double warp_row_sum(std::int64_t cols, Get&& get) {
  double sum = 0;
  for (std::int64_t begin = 0; begin < cols; begin += kChunk) {
    double lanes[kLanesOfThread] = {};
    for (int base = 0; base < kChunk && begin + base < cols; base += kLanes)
#pragma unroll
      for (int j = 0; j < kLanesOfThread; ++j) {
        const std::int64_t c = begin + base + j * kWarp + lane_id();
        if (c < cols) lanes[j] = lanes[j] + get(c);
      }
    sum = sum + add_warp_lanes<1>(lanes);
  }
  return sum;
}

struct PackArgs {
  Plane x, mask;
  std::int64_t rows, cols;
  float* packed;
  double* length;
  double eps;
};

/// A warp takes a row; a thread reads again what it has written itself.
// budget: pack_rows_kernel registers<=64 spills=0
__global__ void __launch_bounds__(kPairThreads) pack_rows_kernel(const __grid_constant__ PackArgs a) {
  for (std::int64_t r = thread_of_grid() / kWarp; r < a.rows; r += threads_of_grid() / kWarp) {
    float* const u = a.packed + r * a.cols;
    const bool kept = row_kept(a.mask, r);
    for (std::int64_t c = lane_id(); c < a.cols; c += kWarp) u[c] = kept ? real_at(a.x, r, c) : 0.0f;
    if (!a.length) continue;
    const double length = sqrt(warp_row_sum(a.cols, [&](std::int64_t c) {
      const double x = static_cast<double>(u[c]);
      return x * x;
    }));
    if (lane_id() == 0) a.length[r] = canonical_nan(length);
    const double divisor = pairs::divisor(length, a.eps);
    for (std::int64_t c = lane_id(); c < a.cols; c += kWarp) u[c] = canonical_nan(pairs::unit(u[c], divisor));
  }
}

struct UnpackArgs {
  const float *packed, *gradient;
  const double* length;
  double eps;
  Plane mask;
  MutablePlane out;
  std::int64_t rows, cols;
  LossReport* report;
};

/// A warp takes a row.
// budget: unpack_gradient_kernel registers<=80 spills=0
template <class T>
__global__ void __launch_bounds__(kPairThreads) unpack_gradient_kernel(const __grid_constant__ UnpackArgs a) {
  unsigned nonfinite = 0;
  for (std::int64_t r = thread_of_grid() / kWarp; r < a.rows; r += threads_of_grid() / kWarp) {
    const float *u = a.packed + r * a.cols, *g = a.gradient + r * a.cols;
    const bool kept = row_kept(a.mask, r), normalised = kept && a.length;
    double product = 0, length = 0;
    if (normalised) {
      length = a.length[r];
      product =
          warp_row_sum(a.cols, [&](std::int64_t c) { return static_cast<double>(u[c]) * static_cast<double>(g[c]); });
    }
    T* const to = static_cast<T*>(a.out.data) + row_offset(a.out, r);
    for (std::int64_t c = lane_id(); c < a.cols; c += kWarp) {
      const float d = !kept ? 0.0f : normalised ? pairs::derivative(g[c], u[c], product, length, a.eps) : g[c];
      nonfinite += abs(d) < finite_limit<T>() ? 0 : 1;
      to[c * a.out.col_stride] = from_float<T>(d);
    }
  }
  nonfinite = warp_reduce(nonfinite, Sum{});
  if (lane_id() == 0 && nonfinite > 0)
    atomicAdd(reinterpret_cast<Count*>(&a.report->nonfinite), static_cast<Count>(nonfinite));
}

/// One block.
// budget: begin_pairs_kernel registers<=40 spills=0
__global__ void __launch_bounds__(kPairThreads)
    begin_pairs_kernel(const __grid_constant__ BeginPairs b, const __grid_constant__ Plane weight,
                       const __grid_constant__ Plane mask) {
  auto& counters = shared<Counters>([] {});
  if (threadIdx.x == 0) counters = {};
  ThreadCounts own;
  for (std::int64_t r = threadIdx.x; r < b.rows; r += blockDim.x) {
    const bool kept = row_kept(mask, r);
    const float given = weight.data ? static_cast<const float*>(weight.data)[r * weight.row_stride] : 1.0f;
    const float w = kept ? given : 0.0f;
    const bool counts = kept && is_weight(w);
    if (kept && !counts) own.add_bad_weight(r);
    own.count += counts ? 1 : 0;
    b.sums[r] = counts ? static_cast<double>(w) : 0.0;
    for (std::int64_t at = r; at < (b.one_set ? 2 : 1) * b.rows; at += b.rows) {
      b.label[at] = pairs::label_of(b, at, counts);
      b.row_weight[at] = counts ? w : 0.0f;
    }
  }
  add_counts(own, &counters);
  const double sum = block_sequence(b.sums, b.rows, 1);
  if (threadIdx.x > 0) return;
  LossReport report;
  report.count = b.sides * static_cast<std::int64_t>(counters.count);
  report.bad_weights = static_cast<std::int64_t>(counters.bad_weights);
  if (counters.bad_weights > 0) {
    report.first_bad_weight_row = static_cast<std::int64_t>(~counters.least_bad_weight);
    report.first_bad_weight =
        static_cast<double>(static_cast<const float*>(weight.data)[report.first_bad_weight_row * weight.row_stride]);
  }
  report.weight_sum = b.sides * sum;
  const float upstream = b.upstream.data ? *static_cast<const float*>(b.upstream.data) : 1.0f;
  *b.factor = gradient_scale(report.weight_sum, b.scale, upstream);
  *b.report = report;
}

/// Where rows are masked a thread takes a similarity, else that of a row with itself.
// budget: exclude_pairs_kernel registers<=40 spills=0
__global__ void __launch_bounds__(kPairThreads)
    exclude_pairs_kernel(const __grid_constant__ ExcludePairs e, const __grid_constant__ Plane mask) {
  const std::int64_t width = mask.data ? e.cols : 1;
  for (std::int64_t i = thread_of_grid(); i < e.rows * width; i += threads_of_grid()) {
    const std::int64_t r = i / width, c = mask.data ? i - r * width : e.first + r;
    if ((e.itself && c == e.first + r) || !row_kept(mask, c < e.mask.rows ? c : c - e.mask.rows))
      e.similarity[r * e.cols + c] = -__builtin_inff();
  }
}

/// One block.
// budget: end_pairs_kernel registers<=40 spills=0
__global__ void __launch_bounds__(kPairThreads) end_pairs_kernel(const __grid_constant__ EndPairs e) {
  for (std::int64_t i = threadIdx.x; i < e.count; i += blockDim.x) e.sums[i] = static_cast<double>(e.values[i]);
  const double sum = block_sequence(e.sums, e.count, 1);
  if (threadIdx.x > 0) return;
  e.report->value_sum = sum;
  finish_report(*e.report, Reduction::mean, e.report->weight_sum, BadLabels::error, false);
}

void run(const PackRows& p, CUstream_st* stream) {
  const std::int64_t rows = p.x.rows, cols = p.x.cols;
  if (rows == 0) return;
  const PackArgs args{plane_of(p.x, rows, cols), plane_of(p.mask, rows, 1), rows, cols, p.packed, p.length, p.eps};
  const int threads = threads_for(kPairThreads);
  launch({.name = "packed rows", .blocks = blocks_for(rows, threads / kWarp), .threads = threads, .stream = stream},
         pack_rows_kernel, args);
}

void run(const UnpackGradient& p, CUstream_st* stream) {
  const std::int64_t rows = p.out.rows, cols = p.out.cols;
  if (rows == 0) return;
  const UnpackArgs args{p.packed, p.gradient, p.length, p.eps, plane_of(p.mask, rows, 1), plane_of(p.out, rows, cols),
                        rows,     cols,       p.report};
  const int threads = threads_for(kPairThreads);
  const Launch shape{.name = "gradient of packed rows",
                     .blocks = blocks_for(rows, threads / kWarp),
                     .threads = threads,
                     .stream = stream};
  dispatch(p.out.dtype, [&]<class T>() { launch(shape, unpack_gradient_kernel<T>, args); });
}

void run(const BeginPairs& b, CUstream_st* stream) {
  launch({.name = "begin of pairs", .blocks = 1, .threads = threads_for(kPairThreads), .stream = stream},
         begin_pairs_kernel, b, plane_of(b.weight, b.rows, 1), plane_of(b.mask, b.rows, 1));
}

void run(const ExcludePairs& e, CUstream_st* stream) {
  const std::int64_t work = e.mask ? e.rows * e.cols : e.itself ? e.rows : 0;
  if (work == 0) return;
  const int threads = threads_for(kPairThreads);
  launch({.name = "pairs left out", .blocks = blocks_for(work, threads), .threads = threads, .stream = stream},
         exclude_pairs_kernel, e, plane_of(e.mask, e.mask.rows, 1));
}

void run(const EndPairs& e, CUstream_st* stream) {
  launch({.name = "end of pairs", .blocks = 1, .threads = threads_for(kPairThreads), .stream = stream},
         end_pairs_kernel, e);
}

}  // namespace

void pair_step(const PairStep& step, CUstream_st* stream) {
  std::visit([&](const auto& s) { run(s, stream); }, step);
}

}  // namespace fuselage::kernels
