// What all loss passes share: counters, the gradient's scale, the report.
#pragma once

#include <cstdint>

#include "fuselage/loss_pass.h"
#include "kernels/kernels.h"
#include "kernels/memory.cuh"
#include "kernels/reduce.cuh"

namespace fuselage::kernels {

using Count = unsigned long long;  // the type of CUDA's 64-bit atomics

/// What is counted of the decisions of binary losses.
enum DecisionCount { kPositives, kChosen, kHits, kDecisionCounts };

/// Counters of a pass in device memory, in atomics: integers, so their order does not show. The last block reads them
/// and leaves zeros.
struct Counters {
  Count count, bad, nonfinite, correct, top_k, bad_weights;
  Count decisions[kDecisionCounts];
  Count least_bad;         ///< ~index of the first bad output; 0 where there is none
  Count least_bad_weight;  ///< the same of outputs with bad weights
  unsigned ticket;         ///< of last_block
  double weight_sum;       ///< of the weight pass; stays for the loss pass
  double slope;            ///< root_slope() of a pass that leaves it; stays for the next one
};
static_assert(sizeof(Counters) <= kCounterBytes);

/// What a thread counts.
struct ThreadCounts {
  unsigned count = 0, bad = 0, nonfinite = 0, correct = 0, top_k = 0, bad_weights = 0;
  Count least_bad = 0, least_bad_weight = 0;

  __device__ __forceinline__ void add_bad(std::int64_t index) {
    const Count mark = ~static_cast<Count>(index);
    ++bad;
    least_bad = mark > least_bad ? mark : least_bad;
  }
  __device__ __forceinline__ void add_bad_weight(std::int64_t index) {
    const Count mark = ~static_cast<Count>(index);
    ++bad_weights;
    least_bad_weight = mark > least_bad_weight ? mark : least_bad_weight;
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
  sum.bad_weights = warp_reduce(own.bad_weights, Sum{});
  sum.least_bad = warp_reduce(own.least_bad, Greater{});
  sum.least_bad_weight = warp_reduce(own.least_bad_weight, Greater{});
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
    sum.bad_weights += of_warps[w].bad_weights;
    sum.least_bad = Greater{}(sum.least_bad, of_warps[w].least_bad);
    sum.least_bad_weight = Greater{}(sum.least_bad_weight, of_warps[w].least_bad_weight);
  }
  const auto add = [](unsigned x, Count* to) {
    if (x > 0) atomicAdd(to, static_cast<Count>(x));
  };
  add(sum.count, &counters->count);
  add(sum.bad, &counters->bad);
  add(sum.nonfinite, &counters->nonfinite);
  add(sum.correct, &counters->correct);
  add(sum.top_k, &counters->top_k);
  add(sum.bad_weights, &counters->bad_weights);
  if (sum.least_bad > 0) atomicMax(&counters->least_bad, sum.least_bad);
  if (sum.least_bad_weight > 0) atomicMax(&counters->least_bad_weight, sum.least_bad_weight);
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
  double divisor;           ///< given by the caller; 0: the reduction's own
  double plain_weight_sum;  ///< the weight sum without a weight pass: all outputs
  const float* upstream;    ///< one for the whole pass, or null
  bool root = false;        ///< the value is the root of the reduced sum; an earlier pass has left its slope
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
          b.divisor,
          static_cast<double>(outputs),
          shared ? static_cast<const float*>(b.upstream.data) : nullptr};
}
/// Whether every output has an upstream gradient of its own.
inline bool upstream_of_each(const LossBatch& b) {
  return b.reduction == Reduction::none && b.upstream && b.upstream.size() > 1;
}

__device__ __forceinline__ float pass_scale(const PassOptions& o, const Counters* counters) {
  const double weight_sum = o.weighted ? counters->weight_sum : o.plain_weight_sum;
  const double divisor =
      divisor_of(o.reduction, o.divisor, weight_sum, o.rows, static_cast<std::int64_t>(o.plain_weight_sum));
  const float scale = gradient_scale(divisor, o.scale, o.upstream ? *o.upstream : 1.0f);
  return o.root ? static_cast<float>(static_cast<double>(scale) * counters->slope) : scale;
}

/// The weight that makes row r bad: its own, that of its label, or where all classes' weights count the first bad one.
template <class Args>
__device__ float bad_weight_of(const Args& a, std::int64_t r) {
  const auto in = row_inputs(a, 0, r);
  bool bad = in.bad_weight;
  for (std::int64_t c = 0; bad && a.dense && c < a.cols; ++c) bad = is_good_target(a, real_at(a.target, r, c));
  if (bad) return is_weight(in.weight) ? in.label_class_weight : in.weight;
  const auto of_class = [&](std::int64_t c) {
    return static_cast<const float*>(a.class_weight.data)[c * a.class_weight.col_stride];
  };
  std::int64_t c = 0;
  while (c + 1 < a.cols && is_weight(of_class(c))) ++c;
  return of_class(c);
}

/// Fills the report, whose sums are set, from the counters, which it clears; by one thread of the last block. An output
/// is one of `outputs_of_row`; bad_label(output) gives a bad one's label or target, bad_weight(output) its weight.
template <class BadLabel, class BadWeight>
__device__ void write_report(const PassOptions& o, Counters* counters, LossReport& report, std::int64_t outputs_of_row,
                             BadLabel&& bad_label, BadWeight&& bad_weight) {
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
  report.bad_weights = take(counters->bad_weights);
  const auto first = static_cast<std::int64_t>(~counters->least_bad);
  counters->least_bad = 0;
  const auto first_weight = static_cast<std::int64_t>(~counters->least_bad_weight);
  counters->least_bad_weight = 0;
  report.first_bad_row = report.bad_labels > 0 ? first / outputs_of_row : -1;
  report.first_bad_label = report.bad_labels > 0 ? bad_label(first) : 0;
  report.first_bad_weight_row = report.bad_weights > 0 ? first_weight / outputs_of_row : -1;
  report.first_bad_weight = report.bad_weights > 0 ? static_cast<double>(bad_weight(first_weight)) : 0;
  const double divisor =
      divisor_of(o.reduction, o.divisor, report.weight_sum, o.rows, static_cast<std::int64_t>(o.plain_weight_sum));
  finish_report(report, o.reduction, divisor, o.bad_labels, o.root);
}

}  // namespace fuselage::kernels
