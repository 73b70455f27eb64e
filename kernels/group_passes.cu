// Passes over groups of rows: lays out arguments and scratch, and launches what a pass needs.
#include "kernels/groups.cuh"
#include "kernels/scratch.cuh"

namespace fuselage::kernels {

namespace {

GroupArgs group_args(const PenaltyRule& rule, int kinds, const GroupBatch& b, ScratchArrays& scratch) {
  const std::int64_t rows = b.prediction.rows, cols = b.prediction.cols;
  GroupArgs a{};
  a.rule = rule;
  a.kinds = kinds;
  a.softmax = a.rule.score == penalty::Score::softmax;
  a.limits = limits_of(rule, b);
  a.prediction = plane_of(b.prediction, rows, cols);
  a.group = plane_of(b.group, rows, 1);
  a.target = plane_of(b.target, rows, 1);
  a.weight = plane_of(b.weight, rows, 1);
  a.mask = plane_of(b.mask, rows, 1);
  a.gradient = plane_of(b.gradient, rows, cols);
  a.rows = rows;
  a.cols = cols;
  a.cells = b.groups * a.rule.labels;
  a.chunks = chunks_of(rows);
  a.row_blocks = group_row_blocks(a);
  a.has_label = b.target && is_label(b.target.dtype);
  a.has_real = b.target && !is_label(b.target.dtype);
  a.accumulate = b.accumulate;
  a.bad_labels = b.bad_labels;
  a.scale = b.scale;
  a.upstream = static_cast<const float*>(b.upstream.data);
  a.q = b.q;
  a.gate = b.gate;
  a.cell = scratch.take<std::int32_t>(rows);
  a.terms = scratch.take<double>(kinds * rows);
  a.total = scratch.take<double>(a.softmax ? rows : 0);
  a.max = scratch.take<float>(a.softmax ? rows : 0);
  a.x_positive = scratch.take<float>(a.softmax ? rows : 0);
  a.part = scratch.take<double>(kinds * a.cells * a.chunks);
  a.sums = a.chunks == 1 ? a.part : scratch.take<double>(kinds * a.cells);
  a.coefficient = scratch.take<double>(a.cells);
  a.fold = scratch.take<double>(b.groups);
  a.found = scratch.take<GroupCounts>(a.row_blocks);
  a.end = scratch.take<GroupEnd>(1);
  return a;
}

}  // namespace

std::size_t penalty_scratch(const AnyPenalty& any, const GroupBatch& batch) {
  ScratchArrays scratch(nullptr);
  group_args(rule_of(any), 2, batch, scratch);
  return scratch.used();
}

void penalty(const AnyPenalty& any, const GroupBatch& batch, LossReport* report, void* memory, CUstream_st* stream) {
  ScratchArrays scratch(memory);
  GroupArgs a = group_args(rule_of(any), 2, batch, scratch);
  a.report = report;
  launch_group_rows(a, stream);
  launch_group_cells(a, stream);
  launch_group_end(a, stream);
}

std::size_t group_sums_scratch(const GroupMeasure& measure, const GroupBatch& batch) {
  ScratchArrays scratch(nullptr);
  group_args(rule_of(measure), kGroupSums, batch, scratch);
  return scratch.used();
}

void group_sums(const GroupMeasure& measure, const GroupBatch& batch, GroupSums* sums, LossReport* report, void* memory,
                CUstream_st* stream) {
  ScratchArrays scratch(memory);
  GroupArgs a = group_args(rule_of(measure), kGroupSums, batch, scratch);
  a.values = plane_of(measure.values, a.rows, 1);
  a.threshold = measure.threshold;
  a.measured = sums;
  a.report = report;
  launch_group_rows(a, stream);
  launch_group_measure(a, stream);
  launch_group_cells(a, stream);
  launch_group_measure_end(a, stream);
}

}  // namespace fuselage::kernels
