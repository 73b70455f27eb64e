// What the kernels of softmax cross-entropy share: arguments, a row's inputs, the end of the pass.
#pragma once

#include "fuselage/core/softmax_shape.h"
#include "fuselage/losses.h"
#include "kernels/launch.cuh"
#include "kernels/pass.cuh"
#include "kernels/tally.cuh"

namespace fuselage::kernels {

/// What a chunk of a long row leaves for the row.
struct ChunkStore {
  SoftmaxChunk part;
  SoftmaxBase<float> base;
};

struct SoftmaxArgs {
  Plane prediction, target, weight, mask, lengths, upstream, class_weight;
  MutablePlane gradient, values;
  std::int64_t rows, cols;
  bool dense;  ///< targets are coefficients, not labels
  SoftmaxForm form;
  SoftmaxShape shape;
  float z_loss;
  bool target_vectors;  ///< rows of the targets can be read by 16 bytes
  bool has_ignore_index;
  std::int64_t ignore_index;
  double label_smoothing;
  std::int64_t steps;  ///< rows of a sequence, where there are lengths
  bool ranks;          ///< a metric looks at the order of the logits
  Tallies tallies;
  std::int32_t top_k;
  PassOptions options;
  double* value;       ///< one for each row
  ChunkStore* chunks;  ///< of each block; null: they fit into shared memory
  bool keep_terms;     ///< shared memory has room for the terms of the rows
  Counters* counters;
  LossReport* report;
};

/// What a row's inputs say before its logits are looked at.
struct RowInputs {
  bool counts;  ///< not masked, not ignored, not bad, and of a valid weight
  bool bad;     ///< a label outside [0, cols), or a length that is none
  bool bad_weight;
  std::int64_t label;  ///< -1 for dense targets
  float weight, label_class_weight;
  double scale;  ///< gradient scale, times weight and upstream gradient
};

/// Of a row that counts so far: its target decides, then its weights.
__device__ __forceinline__ RowInputs judged(const SoftmaxArgs& a, RowInputs in, std::int64_t r) {
  if (!in.counts || (is_weight(in.weight) && is_weight(in.label_class_weight))) return in;
  in.counts = false;
#pragma unroll 1
  for (std::int64_t c = 0; a.dense && c < a.cols; ++c) {
    const float t = real_at(a.target, r, c);
    in.bad = in.bad || t != t;
  }
  in.bad_weight = !in.bad;
  return in;
}

__device__ __forceinline__ RowInputs row_inputs(const SoftmaxArgs& a, float scale, std::int64_t r) {
  const auto f32_at = [](const Plane& p, std::int64_t at) { return static_cast<const float*>(p.data)[at]; };
  RowInputs in{true, false, false, -1, 1, 1, 0};
  if (a.weight.data) in.weight = f32_at(a.weight, r * a.weight.row_stride);
  in.scale = static_cast<double>(scale) * static_cast<double>(in.weight);
  if (a.upstream.data) in.scale = in.scale * static_cast<double>(f32_at(a.upstream, r * a.upstream.row_stride));
  if (a.lengths.data) {
    const Step step = step_of(r, a.steps, label_at(a.lengths, r / a.steps));
    in.counts = step.counts;
    in.bad = step.bad;
    if (!in.counts) return in;
  }
  if (a.mask.data) in.counts = static_cast<const std::uint8_t*>(a.mask.data)[r * a.mask.row_stride] != 0;
  if (!in.counts || a.dense) return judged(a, in, r);
  in.label = label_at(a.target, r);
  if (a.has_ignore_index && in.label == a.ignore_index) {
    in.counts = false;
  } else if (in.label < 0 || in.label >= a.cols) {
    in.counts = false;
    in.bad = true;
  } else if (a.class_weight.data) {
    in.label_class_weight = f32_at(a.class_weight, in.label * a.class_weight.col_stride);
  }
  return judged(a, in, r);
}

/// The shares of label smoothing: the label's, and every class's.
struct Smoothing {
  float keep, even;
};
__device__ __forceinline__ Smoothing smoothing(const SoftmaxArgs& a) {
  return {static_cast<float>(1 - a.label_smoothing),
          static_cast<float>(a.label_smoothing / static_cast<double>(a.cols))};
}

/// The soft coefficient of class c in row r.
__device__ __forceinline__ float coefficient_at(const SoftmaxArgs& a, const Smoothing& s, std::int64_t r,
                                                std::int64_t c) {
  const Plane& w = a.class_weight;
  return softmax_coefficient(w.data ? static_cast<const float*>(w.data)[c * w.col_stride] : 1.0f,
                             a.dense ? real_at(a.target, r, c) : 0.0f, s.keep, s.even);
}

/// Whether a number of a dense target is one; a row with another is bad.
__device__ __forceinline__ bool is_good_target(const SoftmaxArgs&, float t) { return t == t; }

/// Writes a row's value.
__device__ __forceinline__ void put_value(const SoftmaxArgs& a, std::int64_t r, double value) {
  a.value[r] = value;
  if (a.values.data)
    static_cast<float*>(a.values.data)[r * a.values.row_stride] = from_float<float>(static_cast<float>(value));
}

/// The end of the pass, by its last block: the report, from a.options.sums doubles of which one in `stride` is left.
__device__ __forceinline__ void end_pass(const SoftmaxArgs& a, std::int64_t left, std::int64_t stride) {
  LossReport report;
  report.value_sum = block_sequence(a.value, left, stride);
  if (threadIdx.x > 0) return;
  const auto bad_label = [&](std::int64_t r) {
    if (a.lengths.data) {
      const std::int64_t length = label_at(a.lengths, r / a.steps);
      if (step_of(r, a.steps, length).bad) return static_cast<double>(length);
    }
    return a.dense ? __builtin_nan("") : static_cast<double>(label_at(a.target, r));
  };
  write_report(a.options, a.counters, report, 1, bad_label, [&](std::int64_t r) { return bad_weight_of(a, r); });
  *a.report = report;
}

/// What follows the rows: counts, and in the last block the sum and the report.
__device__ __forceinline__ void finish_rows(const SoftmaxArgs& a, const ThreadCounts& counts) {
  add_counts(counts, a.counters);
  if (!a.options.ends_apart && last_block(&a.counters->ticket)) end_pass(a, a.options.sums, 1);
}

/// Rows of up to kShortRow classes, and longer ones, with predictions of type T.
template <class T>
void launch_softmax_short(const SoftmaxArgs& args, CUstream_st* stream);
template <class T>
void launch_softmax_long(const SoftmaxArgs& args, CUstream_st* stream);

}  // namespace fuselage::kernels
