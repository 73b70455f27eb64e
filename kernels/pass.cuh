// What all loss passes share: counters, the gradient's scale, the report.
#pragma once

#include <cstdint>

#include "fuselage/loss_pass.h"
#include "kernels/kernels.h"
#include "kernels/memory.cuh"
#include "kernels/reduce.cuh"

namespace fuselage::kernels {

using Count = unsigned long long;  // the type of CUDA's 64-bit atomics

/// Counters of a pass in device memory, in atomics: integers, so their order does not show. The last block reads them
/// and leaves zeros.
struct Counters {
  Count count, bad, nonfinite, correct, top_k;
  Count least_bad;    ///< ~index of the first bad output; 0 where there is none
  unsigned ticket;    ///< of last_block
  double weight_sum;  ///< of the weight pass; stays for the loss pass
};
static_assert(sizeof(Counters) <= kCounterBytes);

/// What a thread counts.
struct ThreadCounts {
  unsigned count = 0, bad = 0, nonfinite = 0, correct = 0, top_k = 0;
  Count least_bad = 0;

  __device__ __forceinline__ void add_bad(std::int64_t index) {
    const Count mark = ~static_cast<Count>(index);
    ++bad;
    least_bad = mark > least_bad ? mark : least_bad;
  }
};

/// The counts of a warp, in its lane 0.
__device__ __forceinline__ ThreadCounts counts_of_warp(const ThreadCounts& own) {
  ThreadCounts sum;
  sum.count = warp_reduce(own.count, Sum{});
  sum.bad = warp_reduce(own.bad, Sum{});
  sum.nonfinite = warp_reduce(own.nonfinite, Sum{});
  sum.correct = warp_reduce(own.correct, Sum{});
  sum.top_k = warp_reduce(own.top_k, Sum{});
  sum.least_bad = warp_reduce(own.least_bad, Greater{});
  return sum;
}

/// All threads of the block call it; thread 0 adds what the block has counted.
__device__ __forceinline__ void add_counts(const ThreadCounts& own, Counters* counters) {
  auto& of_warps = shared<ThreadCounts[kMostWarps]>([] {});
  const ThreadCounts warp = counts_of_warp(own);
  if (lane_id() == 0) of_warps[warp_id()] = warp;
  __syncthreads();
  if (threadIdx.x > 0) return;
  ThreadCounts sum;
  for (int w = 0; w < warps_of_block(); ++w) {
    sum.count += of_warps[w].count;
    sum.bad += of_warps[w].bad;
    sum.nonfinite += of_warps[w].nonfinite;
    sum.correct += of_warps[w].correct;
    sum.top_k += of_warps[w].top_k;
    sum.least_bad = Greater{}(sum.least_bad, of_warps[w].least_bad);
  }
  const auto add = [](unsigned x, Count* to) {
    if (x > 0) atomicAdd(to, static_cast<Count>(x));
  };
  add(sum.count, &counters->count);
  add(sum.bad, &counters->bad);
  add(sum.nonfinite, &counters->nonfinite);
  add(sum.correct, &counters->correct);
  add(sum.top_k, &counters->top_k);
  if (sum.least_bad > 0) atomicMax(&counters->least_bad, sum.least_bad);
}

/// The divisor, the scale and the report: what a pass needs beside its planes.
struct PassOptions {
  std::int64_t rows;  ///< of the prediction
  std::int64_t sums;  ///< doubles that the pass leaves in each of its arrays, to be added up
  bool ends_apart;    ///< they are too many for the last block: a launch of their own adds them up
  Reduction reduction;
  BadLabels bad_labels;
  bool weighted;  ///< a weight pass ran: the divisor stands in the counters
  float scale;
  double plain_weight_sum;  ///< the divisor without a weight pass
  const float* upstream;    ///< one for the whole pass, or null
};
inline PassOptions pass_options(const LossBatch& b, bool weighted, std::int64_t outputs, std::int64_t sums) {
  const bool shared = b.upstream && (b.reduction != Reduction::none || b.upstream.size() == 1);
  return {b.prediction.rows,
          sums,
          sums > limits().sums,
          b.reduction,
          b.bad_labels,
          weighted,
          b.scale,
          static_cast<double>(outputs),
          shared ? static_cast<const float*>(b.upstream.data) : nullptr};
}
/// Whether every output has an upstream gradient of its own.
inline bool upstream_of_each(const LossBatch& b) {
  return b.reduction == Reduction::none && b.upstream && b.upstream.size() > 1;
}

__device__ __forceinline__ float pass_scale(const PassOptions& o, const Counters* counters) {
  const double weight_sum = o.weighted ? counters->weight_sum : o.plain_weight_sum;
  return gradient_scale(o.reduction, weight_sum, o.rows, o.scale, o.upstream ? *o.upstream : 1.0f);
}

/// Fills the report, whose sums are set, from the counters, which it clears; by one thread of the last block. An output
/// is one of `outputs_of_row`; bad_label(row) gives the bad label of a row.
template <class BadLabel>
__device__ void write_report(const PassOptions& o, Counters* counters, LossReport& report, std::int64_t outputs_of_row,
                             BadLabel&& bad_label) {
  const auto take = [](Count& x) {
    const auto value = static_cast<std::int64_t>(x);
    x = 0;
    return value;
  };
  report.count = take(counters->count);
  report.weight_sum = o.weighted ? counters->weight_sum : static_cast<double>(report.count);
  report.bad_labels = take(counters->bad);
  report.nonfinite = take(counters->nonfinite);
  report.correct = take(counters->correct);
  report.top_k_correct = take(counters->top_k);
  const auto first = static_cast<std::int64_t>(~counters->least_bad);
  counters->least_bad = 0;
  report.first_bad_row = report.bad_labels > 0 ? first / outputs_of_row : -1;
  report.first_bad_label = report.bad_labels > 0 ? bad_label(report.first_bad_row) : 0;
  finish_report(report, o.reduction, o.rows, o.bad_labels);
}

}  // namespace fuselage::kernels
