// What the kernels of pointwise losses share: arguments, an element's arithmetic, the sums of a chunk, the end of the
// pass. A warp takes a chunk at a time; a thread takes 8 elements of every 256.
#pragma once

#include "fuselage/losses.h"
#include "kernels/launch.cuh"
#include "kernels/pass.cuh"

namespace fuselage::kernels {

inline constexpr int kPointwiseThreads = 128;  ///< the most of a block

struct PointwiseArgs {
  Plane prediction, target, weight, mask, upstream;  ///< upstream: one for each output, or none
  MutablePlane gradient, values;
  std::int64_t rows, cols, size;
  bool metrics;  ///< accuracy or errors are asked for
  PassOptions options;
  double *value, *abs_error, *squared_error;  ///< one for each chunk
  Counters* counters;
  LossReport* report;
};

/// Lane sums of a chunk.
template <bool kMetrics>
struct ChunkSums {
  float value[kLanesOfThread] = {};
};
template <>
struct ChunkSums<true> {
  float value[kLanesOfThread] = {}, abs_error[kLanesOfThread] = {}, squared_error[kLanesOfThread] = {};
};

/// One element, the `index`th of the pass, which lane sum k takes in.
template <class T, bool kMetrics, class L>
__device__ __forceinline__ Contribution<float> add_element(const L& loss, float y, float t, bool kept, float w,
                                                           float factor, std::int64_t index, int k,
                                                           ChunkSums<kMetrics>& sums, ThreadCounts& counts) {
  const bool good = t == t, keep = kept && good;
  const Contribution<float> out = contribution(loss, y, t, keep, w, factor);
  sums.value[k] = sums.value[k] + out.value;
  counts.count += keep;
  if (kept && !good) counts.add_bad(index);
  counts.nonfinite += !(abs(out.gradient) < finite_limit<T>());
  if constexpr (kMetrics) {
    sums.abs_error[k] = sums.abs_error[k] + out.abs_error;
    sums.squared_error[k] = sums.squared_error[k] + out.squared_error;
    if constexpr (L::decision != Decision::none) counts.correct += keep && decides_right<L>(y, t);
  }
  return out;
}

/// The end of the pass, by its last block: the report, from a.options.sums doubles of which one in `stride` is left.
__device__ __forceinline__ void end_pass(const PointwiseArgs& a, std::int64_t left, std::int64_t stride) {
  LossReport report;
  report.value_sum = block_sequence(a.value, left, stride);
  if (a.abs_error) {
    report.abs_error_sum = block_sequence(a.abs_error, left, stride);
    report.squared_error_sum = block_sequence(a.squared_error, left, stride);
  }
  if (threadIdx.x > 0) return;
  write_report(a.options, a.counters, report, a.cols, [](std::int64_t) { return __builtin_nan(""); });
  *a.report = report;
}

/// What follows the chunks: counts, and in the last block the sums and the report.
__device__ __forceinline__ void finish_pointwise(const PointwiseArgs& a, ThreadCounts& counts) {
  if (!a.gradient.data) counts.nonfinite = 0;
  if (!a.metrics) counts.correct = 0;
  add_counts(counts, a.counters);
  if (!a.options.ends_apart && last_block(&a.counters->ticket)) end_pass(a, a.options.sums, 1);
}

/// Adds up the lanes of chunk c.
template <int V, bool kMetrics>
__device__ __forceinline__ void put_sums(const PointwiseArgs& a, std::int64_t c, ChunkSums<kMetrics>& sums) {
  const auto put = [&](float(&lanes)[kLanesOfThread], double* to) {
    const float sum = add_warp_lanes<V>(lanes);
    if (lane_id() == 0) to[c] = static_cast<double>(sum);
  };
  put(sums.value, a.value);
  if constexpr (kMetrics) {
    if (!a.abs_error) return;
    put(sums.abs_error, a.abs_error);
    put(sums.squared_error, a.squared_error);
  }
}

/// The launch of a kernel whose warps take the chunks of `a` in turn.
inline Launch shape_pointwise(const char* name, const PointwiseArgs& a, CUstream_st* stream) {
  const int threads = threads_for(kPointwiseThreads);
  return {.name = name, .blocks = blocks_for(chunks_of(a.size), threads / kWarp), .threads = threads, .stream = stream};
}

/// Calls body(chunk, its first index, its length) for the chunks of this warp.
template <class Body>
__device__ __forceinline__ void for_each_chunk(std::int64_t size, Body&& body) {
  const std::int64_t chunks = chunks_of(size), warps = warps_of_block(), step = gridDim.x * warps;
  for (std::int64_t c = blockIdx.x * warps + warp_id(); c < chunks; c += step)
    body(c, c * kChunk, chunk_length(size, c));
}

}  // namespace fuselage::kernels
