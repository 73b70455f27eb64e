// The driver of row losses (loss/row.h) around a row: what counts, rows as fp32, results where they belong. Knows
// nothing of a loss but its shape.
#pragma once

#include "fuselage/core/simd.h"
#include "fuselage/row_pass.h"
#include "host/backend/cpu/staging.h"
#include "host/backend/cpu/tally.h"
#include "host/backend/cpu/target.h"

namespace fuselage::cpu {

/// What a row's inputs say before its prediction is looked at.
struct RowState {
  bool counts = true;       ///< not masked, not ignored, not bad, and of a valid weight
  bool bad_target = false;  ///< then first_bad is its label or number
  bool bad_weight = false;
  double bad = 0;
  float weight = 1;
  RowFacts facts;
};

/// The first number of row r's dense target that is outside the domain; `bad` tells whether there is one.
FUSELAGE_HD bool find_bad_number(const ConstView& target, Domain domain, std::int64_t r, double& bad) {
  for (std::int64_t c = 0; c < target.cols; ++c) {
    const float t = real_at(target, r, c);
    if (in_domain(domain, static_cast<double>(t))) continue;
    bad = static_cast<double>(t);
    return true;
  }
  return false;
}

/// Looks at everything of row r but its prediction. A row that is masked, or past the end of
/// its sequence, is looked at no further; then its target
/// decides, then its weights.
FUSELAGE_HD RowState row_state(const RowSumsPass& pass, std::int64_t r) {
  const LossBatch& b = *pass.batch;
  RowState row;
  row.facts.cols = b.prediction.cols;
  const Step step = step_at(b, r);
  row.counts = step.counts && kept_at(b.mask, r, 0);
  if (step.bad) {
    row.bad_target = true;
    row.bad = static_cast<double>(label_at(b.lengths, r / (b.prediction.rows / b.lengths.rows)));
  }
  if (!row.counts) return row;
  if (pass.target == RowTarget::single) {
    row.facts.single = is_label(b.target.dtype) ? static_cast<double>(label_at(b.target, r))
                                                : static_cast<double>(real_at(b.target, r, 0));
    row.bad_target = !in_domain(pass.domain, row.facts.single);
    row.bad = row.facts.single;
  } else if (pass.target != RowTarget::none && is_label(b.target.dtype)) {
    const std::int64_t label = label_at(b.target, r);
    if (pass.has_ignore_index && label == pass.ignore_index) {
      row.counts = false;
      return row;
    }
    row.facts.label = label;
    row.bad_target = label < 0 || label >= b.prediction.cols;
    row.bad = static_cast<double>(label);
  } else if (pass.target != RowTarget::none) {
    row.bad_target = find_bad_number(b.target, pass.domain, r, row.bad);
  }
  if (row.bad_target) {
    row.counts = false;
    return row;
  }
  row.weight = weight_at(b.weight, r, 0);
  if (row.facts.label >= 0 && pass.class_weight)
    row.facts.label_weight = static_cast<double>(pass.class_weight[row.facts.label]);
  row.bad_weight = !is_weight(row.weight) || !is_weight(row.facts.label_weight);
  row.counts = !row.bad_weight;
  if (pass.row_second) row.facts.second = static_cast<double>(real_at(b.second, r, 0));
  return row;
}

template <class V, class T>
void stage_row_of(const ConstView& v, std::int64_t r, float* out) {
  using S = Simd<V>;
  const T* in = address<T>(v, r, 0);
  std::int64_t c = 0;
  if (v.col_stride == 1)
    for (; c + S::kWidth <= v.cols; c += S::kWidth) store(S::load(in + c), out + c);
  for (; c < v.cols; ++c) out[c] = to_float(in[c * v.col_stride]);
}

/// Row r as packed floats: where it stands, if it does stand like that and whole vectors fit, else in `room`.
template <class V>
FUSELAGE_HD const float* stage_row(const ConstView& v, std::int64_t r, float* room) {
  if (v.dtype == DType::f32 && v.col_stride == 1 && v.cols % Simd<V>::kWidth == 0) return address<float>(v, r, 0);
  if (v.dtype == DType::f32)
    stage_row_of<V, float>(v, r, room);
  else if (v.dtype == DType::bf16)
    stage_row_of<V, bf16>(v, r, room);
  else
    stage_row_of<V, f16>(v, r, room);
  return room;
}

template <class V, class T>
void unstage_row_of(const float* in, const View& v, std::int64_t r) {
  using S = Simd<V>;
  T* out = address<T>(v, r, 0);
  std::int64_t c = 0;
  if (v.col_stride == 1)
    for (; c + S::kWidth <= v.cols; c += S::kWidth) store(S::load(in + c), out + c);
  for (; c < v.cols; ++c) out[c * v.col_stride] = from_float<T>(in[c]);
}

template <class V>
FUSELAGE_HD void unstage_row(const float* in, const View& v, std::int64_t r) {
  if (v.dtype == DType::bf16)
    unstage_row_of<V, bf16>(in, v, r);
  else if (v.dtype == DType::f16)
    unstage_row_of<V, f16>(in, v, r);
  else if (in != address<float>(v, r, 0))
    unstage_row_of<V, float>(in, v, r);
}

/// Where the first of the largest numbers stands, NaN passed over; n where there are none but those.
FUSELAGE_HD std::int64_t first_most(const float* x, std::int64_t n) {
  std::int64_t best = 0;
  while (best < n && x[best] != x[best]) ++best;
  for (std::int64_t c = best + 1; c < n; ++c)
    if (x[c] > x[best]) best = c;
  return best;
}

/// Adds a row, whose greatest prediction is that of class `argmax`, to its metrics: a label's rank is the number of
/// larger predictions, and equal ones before it.
FUSELAGE_HD void add_row_metrics(const MetricRequest& metrics, const StagedRow& row, std::int64_t argmax,
                                 Counts& counts) {
  const std::int64_t cols = row.facts.cols;
  const std::int64_t label = row.facts.label < 0 ? first_most(row.t, cols) : row.facts.label;
  std::int64_t rank = 0;
  for (std::int64_t c = 0; c < cols; ++c) rank += ranks_before(row.x[0][c], c, row.x[0][label], label);
  counts.correct += rank == 0;
  counts.top_k += rank < metrics.top_k;
  if (row.tallied && row.confidence == row.confidence) tally(metrics, label, argmax, row.confidence);
}

/// A row that counts for nothing: zeros.
template <class V>
void leave_row_out(const RowSumsPass& pass, std::int64_t r) {
  const LossBatch& b = *pass.batch;
  pass.value[r] = 0;
  if (b.values.data) *address<float>(b.values, r, 0) = 0;
  const View gradients[] = {b.gradient, b.second_gradient, b.third_gradient};
  for (const View& g : gradients) {
    const std::int64_t bytes = g.dtype == DType::f32 ? 4 : 2;  // zero is zeros in every type
    for (std::int64_t c = 0; g.data && c < g.cols; ++c)
      __builtin_memset(static_cast<char*>(g.data) + (g.row_offset(r) + c * g.col_stride) * bytes, 0,
                       static_cast<std::size_t>(bytes));
  }
}

/// A row that counts.
template <class V>
void run_row(const RowSumsPass& pass, std::int64_t r, const RowState& state, const RowSumsScratch& scratch,
             Counts& counts) {
  const LossBatch& b = *pass.batch;
  const ConstView inputs[] = {b.prediction, b.second, b.third};
  const View gradients[] = {b.gradient, b.second_gradient, b.third_gradient};
  StagedRow row{};
  row.facts = state.facts;
  row.w = pass.class_weight;
  row.most = scratch.most;
  row.limit = finite_limit(b.prediction.dtype);
  double scale = static_cast<double>(pass.scale) * static_cast<double>(state.weight);
  if (b.reduction == Reduction::none && b.upstream.data && b.upstream.rows > 1)
    scale = scale * static_cast<double>(*address<float>(b.upstream, r, 0));
  row.scale = scale;
  for (int i = 0; i < pass.inputs; ++i) {
    row.x[i] = stage_row<V>(inputs[i], r, scratch.x[i]);
    const View& g = gradients[i];
    const bool direct = g.dtype == DType::f32 && g.col_stride == 1 && g.cols % Simd<V>::kWidth == 0;
    if (g.data) row.g[i] = direct ? address<float>(g, r, 0) : scratch.g[i];
  }
  const std::int64_t label = row.facts.label;
  if (label >= 0) {
    row.facts.label_x = static_cast<double>(row.x[0][label]);
    scratch.t[label] = 1;
    row.t = scratch.t;
  } else if (pass.target == RowTarget::classes || pass.target == RowTarget::dense) {
    row.t = stage_row<V>(b.target, r, scratch.t);
  }
  float* const x_copy = scratch.x[0];
  const bool metrics = b.metrics.ranks() && (pass.target == RowTarget::classes || pass.target == RowTarget::labels);
  if (metrics && row.g[0] == row.x[0]) {  // in place: the ranks are wanted after the gradient has come
    for (std::int64_t c = 0; c < row.facts.cols; ++c) x_copy[c] = row.x[0][c];
    row.x[0] = x_copy;
  }
  const std::int64_t argmax = metrics && b.metrics.tallies() ? first_most(row.x[0], row.facts.cols) : row.facts.cols;
  row.tallied = argmax < row.facts.cols;
  if (row.tallied) row.greatest = static_cast<double>(row.x[0][argmax]);
  pass.run(pass.loss, row);
  ++counts.count;
  counts.nonfinite += row.nonfinite;
  if (metrics && row_may_be_right(row.value)) add_row_metrics(b.metrics, row, argmax, counts);
  const double value = row.value * static_cast<double>(state.weight);
  pass.value[r] = value;
  if (b.values.data) *address<float>(b.values, r, 0) = from_float<float>(static_cast<float>(value));
  for (int i = 0; i < pass.inputs; ++i)
    if (row.g[i]) unstage_row<V>(row.g[i], gradients[i], r);
  if (label >= 0) scratch.t[label] = 0;
}

/// Rows [first, last) of the pass.
template <class V>
void row_sums_rows(const RowSumsPass& pass, std::int64_t first, std::int64_t last, const RowSumsScratch& scratch,
                   Counts& counts) {
  for (std::int64_t r = first; r < last; ++r) {
    const RowState state = row_state(pass, r);
    if (state.bad_target) {
      ++counts.bad;
      if (counts.first_bad < 0) counts.first_bad = r;
    }
    if (state.counts)
      run_row<V>(pass, r, state, scratch, counts);
    else
      leave_row_out<V>(pass, r);
  }
}

}  // namespace fuselage::cpu
