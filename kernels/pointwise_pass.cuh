// What the kernels of pointwise losses share: arguments, who takes which element, the sums of a chunk, the end of the
// pass. None of it knows the loss. A warp takes a chunk at a time; a thread takes 8 elements of every 256.
#pragma once

#include "fuselage/losses.h"
#include "kernels/launch.cuh"
#include "kernels/pass.cuh"

namespace fuselage::kernels {

inline constexpr int kPointwiseThreads = 128;  ///< the most of a block

/// What a pass reads for each output, and what it writes. An output's floats take the place of those of the input of
/// the same number in shared memory.
enum PointwiseInput { kPrediction, kSecond, kTarget, kWeight, kMask, kUpstream, kPointwiseInputs };
enum PointwiseOutput { kGradient, kSecondGradient, kValues, kPointwiseOutputs };

enum PointwiseMetric { kAbsError, kSquaredError, kTargetSum, kSquaredTargetSum, kMetricSums };

struct PointwiseArgs {
  Plane input[kPointwiseInputs];
  MutablePlane output[kPointwiseOutputs];
  std::int64_t rows, cols, size;
  std::int64_t step_rows, step_cols;  ///< a warp's width in rows and columns
  bool wide;                          ///< predictions have 16 bits: 8 of them are 16 bytes
  bool direct;                        ///< predictions, targets and outputs are packed, of one type, and all there is
  bool metrics;                       ///< something is asked for beside the loss
  unsigned inputs;                    ///< a bit for each input that there is
  int metric_sums;                    ///< the lane sums of metrics, up to the last one asked for
  bool decides;                       ///< decisions are counted: above `middle_y` and `middle_t`
  float middle_y, middle_t;
  bool signs;                       ///< of targets, the magnitude is what lies in the domain
  float least_target, most_target;  ///< the domain
  bool leaves_slope;                ///< the first of two passes: leaves the slope of the root, and no report
  float finite_limit;               ///< of the predictions' type
  PassOptions options;
  double *value, *metric[kMetricSums];  ///< one for each chunk
  Counters* counters;
  LossReport* report;
};

/// What a warp has of shared memory.
__host__ __device__ __forceinline__ std::int64_t floats_of_warp(const PointwiseArgs& a) {
  std::int64_t arrays = 2 * a.metric_sums + (a.decides ? 1 : 0);  // sums are doubles
  for (int i = 0; i < kPointwiseInputs; ++i) arrays += a.inputs >> i & 1u;
  return arrays * kLanes;
}

/// The elements of a tile of 256 that a thread holds, which are its lane sums: 4 and 4 more, `first(0)` ... + 3 and
/// `first(1)` ... + 3. A thread's 16 bytes are side by side.
struct Share {
  int start, gap;

  __device__ __forceinline__ explicit Share(bool wide) : start(lane_id() * (wide ? 8 : 4)), gap(wide ? 0 : 124) {}
  __device__ __forceinline__ int first(int h) const { return start + h * (4 + gap); }
  __device__ __forceinline__ int operator[](int k) const { return start + k + (k < 4 ? 0 : gap); }
};
static_assert(kLanesOfThread == 8 && kLanes == 256);

/// in_domain() of core, of the loss that the pass is of.
__device__ __forceinline__ bool in_domain_of(const PointwiseArgs& a, float t) {
  const float x = a.signs ? abs(t) : t;
  return x >= a.least_target && x <= a.most_target;
}

/// Puts the sum of the lanes of chunk c.
__device__ __forceinline__ void put_sum(double (&lanes)[kLanesOfThread], bool wide, double* to, std::int64_t c) {
  const double sum = add_warp_lanes(lanes, wide);
  if (lane_id() == 0) to[c] = sum;
}

/// What the targets of R^2 are measured from, so that their squares do not swallow their differences.
__device__ __forceinline__ float target_shift(const PointwiseArgs& a) {
  const float first = a.size > 0 ? real_at(a.input[kTarget], 0, 0) : 0.0f;
  return abs(first) < __builtin_inff() ? first : 0.0f;
}

/// The end of the pass, by its last block: the report, from a.options.sums doubles of which one in `stride` is left.
__device__ __forceinline__ void end_pass(const PointwiseArgs& a, std::int64_t left, std::int64_t stride) {
  auto& metric = shared<double[kMetricSums]>([] {});
  LossReport report;
  report.value_sum = block_sequence(a.value, left, stride);
#pragma unroll 1
  for (int m = 0; m < a.metric_sums; ++m) {
    const double sum = a.metric[m] ? block_sequence(a.metric[m], left, stride) : 0.0;
    if (threadIdx.x == 0) metric[m] = sum;
  }
  if (threadIdx.x > 0) return;
  if (a.metric[kAbsError]) {
    report.abs_error_sum = metric[kAbsError];
    report.squared_error_sum = metric[kSquaredError];
  }
  if (a.metric[kTargetSum]) {
    report.target_shift = static_cast<double>(target_shift(a));
    report.target_sum = metric[kTargetSum];
    report.target_squared_sum = metric[kSquaredTargetSum];
  }
  const auto at = [&](PointwiseInput in) {
    return [&a, in](std::int64_t i) { return static_cast<double>(real_at(a.input[in], i / a.cols, i % a.cols)); };
  };
  write_report(a.options, a.counters, report, a.cols, at(kTarget), at(kWeight));
  if (a.decides) {
    Count* const of = a.counters->decisions;
    const auto take = [&](DecisionCount i) { return static_cast<std::int64_t>(of[i]); };
    set_decisions(report, take(kPositives), take(kChosen), take(kHits));
    for (int i = 0; i < kDecisionCounts; ++i) of[i] = 0;
  }
  if (a.leaves_slope)
    a.counters->slope = root_slope(report.value);
  else
    *a.report = report;
}

/// What follows the chunks: counts, and in the last block the sums and the report.
__device__ __forceinline__ void finish_pointwise(const PointwiseArgs& a, ThreadCounts counts) {
  if (!a.output[kGradient].data && !a.output[kSecondGradient].data) counts.nonfinite = 0;
  add_counts(counts, a.counters);
  if (!a.options.ends_apart && last_block(&a.counters->ticket)) end_pass(a, a.options.sums, 1);
}

/// The launch of a kernel whose warps take the chunks of `a` in turn.
inline Launch shape_pointwise(const char* name, const PointwiseArgs& a, CUstream_st* stream) {
  const int threads = threads_for(kPointwiseThreads);
  return {.name = name,
          .blocks = blocks_for(chunks_of(a.size), threads / kWarp),
          .threads = threads,
          .stream = stream,
          .shared = static_cast<std::size_t>(threads / kWarp * floats_of_warp(a)) * sizeof(float)};
}

/// Calls body(chunk, its first index, its length) for the chunks of this warp.
template <class Body>
__device__ __forceinline__ void for_each_chunk(std::int64_t size, Body&& body) {
  const std::int64_t chunks = chunks_of(size), warps = warps_of_block(), step = gridDim.x * warps;
  for (std::int64_t c = blockIdx.x * warps + warp_id(); c < chunks; c += step)
    body(c, c * kChunk, chunk_length(size, c));
}

}  // namespace fuselage::kernels
