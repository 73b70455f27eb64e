// A pass over groups of rows: what its kernels share.
#pragma once

#include "fuselage/fairness_pass.h"
#include "kernels/launch.cuh"
#include "kernels/memory.cuh"
#include "kernels/reduce.cuh"

namespace fuselage::kernels {

using Count = unsigned long long;

/// What a block found; integers, so that their order does not show. The least indices are ~index, 0 where there is
/// none.
struct GroupCounts {
  Count count = 0, bad = 0, bad_weights = 0, least_bad = 0, least_bad_weight = 0;

  __device__ __forceinline__ void add(const GroupCounts& other) {
    count += other.count;
    bad += other.bad;
    bad_weights += other.bad_weights;
    least_bad = Greater{}(least_bad, other.least_bad);
    least_bad_weight = Greater{}(least_bad_weight, other.least_bad_weight);
  }
  __device__ __forceinline__ void add(const GroupRow& row, std::int64_t r) {
    count += row.cell >= 0 ? 1 : 0;
    const Count mark = ~static_cast<Count>(r), none = 0;
    add({0, row.bad, row.bad_weight, row.bad ? mark : none, row.bad_weight ? mark : none});
  }
};

/// What the gradient's blocks count.
struct GroupEnd {
  Count nonfinite;
  unsigned ticket;
};

struct GroupArgs {
  Plane prediction, group, target, weight, mask;
  MutablePlane gradient;
  PenaltyRule rule;
  GroupLimits limits;
  std::int64_t rows, cols, cells, chunks;
  std::int64_t row_blocks;  ///< of the kernel of rows
  int kinds;                ///< sums of a cell: 2, or kGroupSums
  bool softmax, has_label, has_real, accumulate;
  BadLabels bad_labels;
  float scale;
  const float* upstream;
  double* q;
  const LossReport* gate;
  LossReport* report;
  Plane values;
  double threshold;
  GroupSums* measured;
  // Scratch memory.
  std::int32_t* cell;       ///< [rows]
  double* terms;            ///< [kinds, rows]: weights, terms, and what is measured beside
  double* total;            ///< [rows] of softmax
  float *max, *x_positive;  ///< likewise
  double* part;             ///< [kinds, cells, chunks]
  double* sums;             ///< [kinds, cells]; `part` itself where there is one chunk
  double *coefficient, *fold;
  GroupCounts* found;  ///< [row_blocks]
  GroupEnd* end;
};

inline constexpr int kGroupThreads = 256;

/// The counts of a block, in its thread 0. All threads of the block call it, once in a launch.
__device__ __forceinline__ GroupCounts group_counts_of_block(const GroupCounts& own) {
  auto& of_warps = shared<GroupCounts[kMostWarps]>([] {});
  GroupCounts sum;
  sum.count = warp_reduce(own.count, Sum{});
  sum.bad = warp_reduce(own.bad, Sum{});
  sum.bad_weights = warp_reduce(own.bad_weights, Sum{});
  sum.least_bad = warp_reduce(own.least_bad, Greater{});
  sum.least_bad_weight = warp_reduce(own.least_bad_weight, Greater{});
  if (lane_id() == 0) of_warps[warp_id()] = sum;
  __syncthreads();
  if (threadIdx.x > 0) return sum;
  for (int w = 1; w < warps_of_block(); ++w) sum.add(of_warps[w]);
  return sum;
}

__device__ __forceinline__ GroupRow group_row_at(const GroupArgs& a, std::int64_t r) {
  GroupRowInput in;
  in.kept = row_kept(a.mask, r);
  in.group = label_at(a.group, r);
  if (a.weight.data) in.weight = static_cast<const float*>(a.weight.data)[r * a.weight.row_stride];
  in.has_label = a.has_label;
  in.has_real = a.has_real;
  if (a.has_label) in.label = label_at(a.target, r);
  if (a.has_real) in.real = real_at(a.target, r, 0);
  return group_row(a.rule, a.limits, in);
}

/// What the blocks of rows found, in thread 0. All threads of a single block call it.
__device__ __forceinline__ GroupCounts group_counts_of(const GroupArgs& a) {
  GroupCounts own;
  for (std::int64_t b = threadIdx.x; b < a.row_blocks; b += blockDim.x) own.add(a.found[b]);
  return group_counts_of_block(own);
}

__device__ __forceinline__ bool rejects(const GroupArgs& a, const GroupCounts& found) {
  return found.bad_weights > 0 || (found.bad > 0 && a.bad_labels == BadLabels::error);
}

/// A report of what was found.
__device__ __forceinline__ LossReport group_report(const GroupArgs& a, const GroupCounts& found) {
  LossReport report;
  report.count = static_cast<std::int64_t>(found.count);
  report.bad_labels = static_cast<std::int64_t>(found.bad);
  report.bad_weights = static_cast<std::int64_t>(found.bad_weights);
  if (found.bad > 0) {
    report.first_bad_row = static_cast<std::int64_t>(~found.least_bad);
    report.first_bad_label = group_row_at(a, report.first_bad_row).bad_label;
  }
  if (found.bad_weights > 0) {
    report.first_bad_weight_row = static_cast<std::int64_t>(~found.least_bad_weight);
    report.first_bad_weight = canonical_nan(static_cast<double>(
        static_cast<const float*>(a.weight.data)[report.first_bad_weight_row * a.weight.row_stride]));
  }
  report.rejected = rejects(a, found);
  return report;
}

/// Rows, their cells' sums (groups.cu); the end and the gradient (groups_end.cu); measures (group_measures.cu).
void launch_group_rows(const GroupArgs& args, CUstream_st* stream);
void launch_group_cells(const GroupArgs& args, CUstream_st* stream);
void launch_group_measure(const GroupArgs& args, CUstream_st* stream);
void launch_group_measure_end(const GroupArgs& args, CUstream_st* stream);
std::int64_t group_row_blocks(const GroupArgs& args);
void launch_group_end(const GroupArgs& args, CUstream_st* stream);

}  // namespace fuselage::kernels
