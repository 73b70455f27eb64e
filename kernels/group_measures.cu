// Measures of groups, and reports of several passes joined.
#include "kernels/groups.cuh"

namespace fuselage::kernels {

namespace {

/// What is added up beside weight and score; these and the rows' cells are there.
// budget: group_measure_kernel registers<=80 spills=0
__global__ void __launch_bounds__(kGroupThreads) group_measure_kernel(const __grid_constant__ GroupArgs a) {
  for (std::int64_t r = thread_of_grid(); r < a.rows; r += threads_of_grid()) {
    if (a.cell[r] < 0) continue;
    const double score = a.softmax ? softmax_weight(a.x_positive[r], a.max[r]) / a.total[r]
                                   : row_score(a.rule, real_at(a.prediction, r, 0), 0).value;
    double sums[kGroupSums] = {};
    measure_row(group_row_at(a, r), score, a.threshold, a.has_real ? real_at(a.target, r, 0) : 0.0f,
                a.values.data ? real_at(a.values, r, 0) : 0.0f, sums);
#pragma unroll
    for (int k = 2; k < kGroupSums; ++k) a.terms[k * a.rows + r] = sums[k];
  }
}

/// One block: the sums of each group, and the report.
// budget: group_measure_end_kernel registers<=64 spills=0
__global__ void __launch_bounds__(kGroupThreads) group_measure_end_kernel(const __grid_constant__ GroupArgs a) {
  for (std::int64_t g = threadIdx.x; g < a.limits.groups; g += blockDim.x)
    a.measured[g] = sums_of_group([&](int k) { return a.sums[k * a.cells + g]; });
  if (!a.report) return;
  const GroupCounts found = group_counts_of(a);
  const double weight_sum = block_chunk(a.sums, static_cast<int>(a.cells), 1);
  if (threadIdx.x > 0) return;
  LossReport report = group_report(a, found);
  report.weight_sum = weight_sum;
  *a.report = report;
}

// budget: join_kernel registers<=64 spills=0
__global__ void join_kernel(LossReport* to, const LossReport* from) { join_report(*to, *from); }

}  // namespace

void launch_group_measure(const GroupArgs& a, CUstream_st* stream) {
  const int threads = threads_for(kGroupThreads);
  launch({.name = "measures of rows", .blocks = blocks_for(a.rows, threads), .threads = threads, .stream = stream},
         group_measure_kernel, a);
}

void launch_group_measure_end(const GroupArgs& a, CUstream_st* stream) {
  launch({.name = "measures of groups", .blocks = 1, .threads = threads_for(kGroupThreads), .stream = stream},
         group_measure_end_kernel, a);
}

void join(LossReport* to, const LossReport* from, CUstream_st* stream) {
  launch({.name = "join of reports", .blocks = 1, .threads = 1, .stream = stream}, join_kernel, to, from);
}

}  // namespace fuselage::kernels
