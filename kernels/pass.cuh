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

/// All threads of a warp call it.
__device__ __forceinline__ void add_counts(const ThreadCounts& own, Counters* counters) {
  const auto add = [](unsigned x, Count* to) {
    const unsigned sum = warp_count(x);
    if (lane_id() == 0 && sum > 0) atomicAdd(to, static_cast<Count>(sum));
  };
  add(own.count, &counters->count);
  add(own.bad, &counters->bad);
  add(own.nonfinite, &counters->nonfinite);
  add(own.correct, &counters->correct);
  add(own.top_k, &counters->top_k);
  if (own.least_bad > 0) atomicMax(&counters->least_bad, own.least_bad);
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
