// What the kernels of row losses (loss/row.h) share: arguments, a row's inputs, the end of the pass.
#pragma once

#include "fuselage/losses.h"
#include "fuselage/row_pass.h"
#include "kernels/launch.cuh"
#include "kernels/pass.cuh"
#include "kernels/tally.cuh"

namespace fuselage::kernels {

struct RowSumsArgs {
  Plane input[kRowInputs];  ///< prediction, second, third
  Plane target, weight, mask, lengths, upstream, class_weight;
  MutablePlane gradient[kRowInputs], values;
  std::int64_t rows, cols;
  std::int64_t steps;  ///< rows of a sequence, where there are lengths
  DType type;          ///< of the inputs and gradients
  bool labels;         ///< targets are class labels
  bool dense;          ///< targets are [rows, cols] numbers; neither: one number for each row, or none
  bool single;
  Domain domain;  ///< of the targets that are numbers
  bool has_ignore_index;
  std::int64_t ignore_index;
  bool ranks;  ///< a metric looks at the order of the predictions
  Tallies tallies;
  std::int32_t top_k;
  bool warp_team;  ///< a warp takes a row, else a block
  PassOptions options;
  double* value;  ///< one for each row
  Counters* counters;
  LossReport* report;
};

/// What a row's inputs say before its columns are looked at: of a row that is masked or past its sequence's end
/// nothing, then the target decides, then the weights. A row of dense targets may still turn out to be bad.
struct RowSumsInputs {
  bool counts;  ///< not masked, not ignored, not bad, of a valid weight
  bool bad;     ///< a label outside [0, cols), or a target of its own outside the loss's domain
  bool bad_weight;
  std::int64_t label;  ///< -1 where there are no labels
  float weight, label_class_weight;
  double single;
  double scale;  ///< gradient scale, times weight and upstream gradient
};

/// The number of row r in a target of one column.
__device__ __forceinline__ double single_at(const Plane& p, std::int64_t r) {
  return is_label(p.dtype) ? static_cast<double>(label_at(p, r)) : static_cast<double>(real_at(p, r, 0));
}

__device__ __forceinline__ RowSumsInputs row_inputs(const RowSumsArgs& a, float scale, std::int64_t r) {
  const auto f32_at = [](const Plane& p, std::int64_t at) { return static_cast<const float*>(p.data)[at]; };
  RowSumsInputs in{true, false, false, -1, 1, 1, 0, 0};
  if (a.lengths.data) {
    const Step step = step_of(r, a.steps, label_at(a.lengths, r / a.steps));
    in.counts = step.counts;
    in.bad = step.bad;
    if (!in.counts) return in;
  }
  if (a.mask.data) in.counts = static_cast<const std::uint8_t*>(a.mask.data)[r * a.mask.row_stride] != 0;
  if (!in.counts) return in;
  if (a.single) {
    in.single = single_at(a.target, r);
    in.bad = !in_domain(a.domain, in.single);
  }
  if (a.labels) {
    in.label = label_at(a.target, r);
    in.counts = !a.has_ignore_index || in.label != a.ignore_index;
    if (!in.counts) return in;
    in.bad = in.label < 0 || in.label >= a.cols;
    if (!in.bad && a.class_weight.data)
      in.label_class_weight = f32_at(a.class_weight, in.label * a.class_weight.col_stride);
  }
  if (a.weight.data) in.weight = f32_at(a.weight, r * a.weight.row_stride);
  in.scale = static_cast<double>(scale) * static_cast<double>(in.weight);
  if (a.upstream.data) in.scale = in.scale * static_cast<double>(f32_at(a.upstream, r * a.upstream.row_stride));
  in.bad_weight = !in.bad && !(is_weight(in.weight) && is_weight(in.label_class_weight));
  in.counts = !in.bad && !in.bad_weight;
  return in;
}

/// Whether a number of a dense target is one that the loss is made for; a row with another is bad.
__device__ __forceinline__ bool is_good_target(const RowSumsArgs& a, float t) {
  return in_domain(a.domain, static_cast<double>(t));
}

/// Writes a row's value.
__device__ __forceinline__ void put_value(const RowSumsArgs& a, std::int64_t r, double value) {
  a.value[r] = value;
  if (a.values.data)
    static_cast<float*>(a.values.data)[r * a.values.row_stride] = from_float<float>(static_cast<float>(value));
}

/// What makes row r bad: its sequence's length, its label, or the first of its targets that is outside the domain.
__device__ __forceinline__ double bad_label_of(const RowSumsArgs& a, std::int64_t r) {
  if (a.lengths.data) {
    const std::int64_t length = label_at(a.lengths, r / a.steps);
    if (step_of(r, a.steps, length).bad) return static_cast<double>(length);
  }
  if (!a.dense) return single_at(a.target, r);
  std::int64_t c = 0;
  while (c + 1 < a.cols && is_good_target(a, real_at(a.target, r, c))) ++c;
  return static_cast<double>(real_at(a.target, r, c));
}

/// The end of the pass, by its last block: the report, from a.options.sums doubles of which one in `stride` is left.
__device__ __forceinline__ void end_pass(const RowSumsArgs& a, std::int64_t left, std::int64_t stride) {
  LossReport report;
  report.value_sum = block_sequence(a.value, left, stride);
  if (threadIdx.x > 0) return;
  write_report(
      a.options, a.counters, report, 1, [&](std::int64_t r) { return bad_label_of(a, r); },
      [&](std::int64_t r) { return bad_weight_of(a, r); });
  *a.report = report;
}

/// What follows the rows: counts, and in the last block the sum and the report.
__device__ __forceinline__ void finish_rows(const RowSumsArgs& a, const ThreadCounts& counts) {
  add_counts(counts, a.counters);
  if (!a.options.ends_apart && last_block(&a.counters->ticket)) end_pass(a, a.options.sums, 1);
}

}  // namespace fuselage::kernels
