// The driver of softmax cross-entropy for rows of up to 32 classes: one row in each lane, classes added in their order.
#pragma once

#include "host/backend/cpu/softmax_long.h"

namespace fuselage::cpu {

/// The inputs of as many rows as a vector has lanes. Lanes that do not count have keep = 0 and harmless inputs.
template <class V>
struct ShortRows {
  static constexpr int kWidth = Simd<V>::kWidth;
  alignas(64) float keep[kWidth], label[kWidth], weight[kWidth], label_class_weight[kWidth], scale[kWidth];
  alignas(64) float target[kShortRow][kWidth];
  bool bad[kWidth];
};

template <class V>
FUSELAGE_HD void gather_rows(const SoftmaxPass& pass, std::int64_t first, int rows, bool dense, ShortRows<V>& in) {
  const LossBatch& b = *pass.batch;
  for (int i = 0; i < ShortRows<V>::kWidth; ++i) {
    in.keep[i] = in.weight[i] = in.scale[i] = 0;
    in.label[i] = -1;
    in.label_class_weight[i] = 1;
    in.bad[i] = false;
    if (dense)
      for (std::int64_t c = 0; c < b.prediction.cols; ++c) in.target[c][i] = 0;
    if (i >= rows) continue;
    const RowInputs row = row_inputs(pass, first + i);
    in.bad[i] = row.bad;
    if (!row.counts) continue;
    in.keep[i] = 1;
    in.label[i] = static_cast<float>(row.label);
    in.weight[i] = row.weight;
    in.label_class_weight[i] = row.label_class_weight;
    in.scale[i] = static_cast<float>(row.scale);
    if (dense)
      for (std::int64_t c = 0; c < b.prediction.cols; ++c) {
        in.target[c][i] = real_at(b.target, first + i, c);
        if (in.target[c][i] != in.target[c][i]) in.bad[i] = true;
      }
    if (in.bad[i]) in.keep[i] = 0;
  }
}

/// The same for a whole block of rows that have labels and nothing else to look at, which is what training sees.
template <class V, class I>
FUSELAGE_HD void gather_labels(const SoftmaxPass& pass, const I* labels, std::int64_t stride, ShortRows<V>& in) {
  const std::int64_t classes = pass.batch->prediction.cols;
  for (int i = 0; i < ShortRows<V>::kWidth; ++i) {
    const I label = labels[i * stride];
    const bool good = label >= 0 && static_cast<std::uint64_t>(label) < static_cast<std::uint64_t>(classes);
    in.keep[i] = good ? 1.0f : 0.0f;
    in.label[i] = good ? static_cast<float>(label) : -1.0f;
    in.bad[i] = !good;
    in.weight[i] = in.label_class_weight[i] = 1;
    in.scale[i] = pass.scale;
  }
}

template <class V>
FUSELAGE_HD void gather_plain_rows(const SoftmaxPass& pass, std::int64_t first, ShortRows<V>& in) {
  const ConstView& t = pass.batch->target;
  switch (t.dtype) {
    case DType::u8: return gather_labels(pass, address<std::uint8_t>(t, first, 0), t.row_stride, in);
    case DType::i8: return gather_labels(pass, address<std::int8_t>(t, first, 0), t.row_stride, in);
    case DType::i16: return gather_labels(pass, address<std::int16_t>(t, first, 0), t.row_stride, in);
    case DType::i32: return gather_labels(pass, address<std::int32_t>(t, first, 0), t.row_stride, in);
    default: return gather_labels(pass, address<std::int64_t>(t, first, 0), t.row_stride, in);
  }
}

/// The rank of the label in every lane, and for dense targets the label itself: the first of the largest targets.
template <class V>
struct ShortRank {
  V label, rank;
};
template <class V>
FUSELAGE_HD ShortRank<V> short_rank(const V* x, const ShortRows<V>& in, int classes, bool dense) {
  using S = Simd<V>;
  V label = S::load(in.label);
  if (dense) {
    V most = S::load(in.target[0]);
    label = V(0);
    for (int c = 1; c < classes; ++c) {
      const V t = S::load(in.target[c]);
      const auto larger = t > most;
      most = select(larger, t, most);
      label = select(larger, V(c), label);
    }
  }
  V x_label = V(0), rank = V(0);
  for (int c = 0; c < classes; ++c) x_label = select(label == V(c), x[c], x_label);
  for (int c = 0; c < classes; ++c)
    rank = rank + select((x[c] > x_label) | ((x[c] == x_label) & (V(c) < label)), V(1), V(0));
  return {label, rank};
}

/// Adds the rows whose lanes are set to the confusion counts and the calibration bins.
template <class V, class M>
FUSELAGE_HD void tally_short(const MetricRequest& metrics, const V* x, int classes, V max, V odds, V label, M valid,
                             int rows) {
  constexpr int kWidth = Simd<V>::kWidth;
  V most = V(0);
  for (int c = classes - 1; c >= 0; --c) most = select(x[c] == max, V(c), most);
  alignas(64) float counts[kWidth], labels[kWidth], at[kWidth], p[kWidth];
  store(select(valid, V(1), V(0)), counts);
  store(label, labels);
  store(most, at);
  store(V(1) / (V(1) + odds), p);
  for (int i = 0; i < rows; ++i)
    if (counts[i] > 0)
      tally(metrics, static_cast<std::int64_t>(labels[i]), static_cast<std::int64_t>(at[i]), static_cast<double>(p[i]));
}

template <class V, class T, SoftmaxForm kForm>
FUSELAGE_HD void softmax_short_block(const SoftmaxPass& pass, std::int64_t first, int rows, Counts& counts) {
  using S = Simd<V>;
  constexpr bool kSoft = kForm != SoftmaxForm::hard, kShaped = kForm == SoftmaxForm::shaped;
  const LossBatch& b = *pass.batch;
  const int classes = static_cast<int>(b.prediction.cols);
  const bool dense = !is_label(b.target.dtype);
  const V keep_share = V(static_cast<float>(1 - pass.label_smoothing));
  const V even = V(static_cast<float>(pass.label_smoothing / static_cast<double>(classes)));
  ShortRows<V> in;
  const bool full = rows == S::kWidth;
  const auto in_line = [&](const auto& view) {  // rows of one block, `row_stride` apart
    return full && (view.block == 0 || first % view.block + rows <= view.block);
  };
  const bool line_x = in_line(b.prediction), line_g = in_line(b.gradient);
  if (pass.plain_rows && full)
    gather_plain_rows(pass, first, in);
  else
    gather_rows(pass, first, rows, dense, in);

  V x[kShortRow], term[kShortRow], slope[kShaped ? kShortRow : 1];
  V max = V(-__builtin_inff());
  for (int c = 0; c < classes; ++c) {
    if (line_x && b.prediction.row_stride == 1) {
      x[c] = S::load(address<T>(b.prediction, first, c));
    } else if (line_x) {
      x[c] = S::gather(address<T>(b.prediction, first, c), b.prediction.row_stride);
    } else {
      alignas(64) float lane[S::kWidth] = {};
      for (int i = 0; i < rows; ++i) lane[i] = to_float(*address<T>(b.prediction, first + i, c));
      x[c] = S::load(lane);
    }
    max = greater_of(x[c], max);
  }
  const SoftmaxBase<V> base = softmax_base(max);
  const V anchor = softmax_anchor(max), label = S::load(in.label);
  V rest = V(0), ties = V(0), q_gap = V(0), x_label = anchor, term_label = V(0);
  SoftmaxCoefficients<V> q_sum;
  // Transformed logits: the origin, and what the label's logit becomes relative to it.
  const TwoPart<V> origin = kShaped ? softmax_origin(pass.shape, max) : TwoPart<V>{};
  V gap_label = V(0), slope_label = V(1);
  for (int c = 0; c < classes; ++c) {
    const auto tied = x[c] == max, hit = label == V(c);
    V gap = x[c];
    if constexpr (kShaped) {
      const SoftmaxImage<V> image = softmax_image(pass.shape, x[c]);
      const TwoPart<V> distance = softmax_distance(pass.shape, image.at, origin);
      slope[c] = image.slope;
      term[c] = softmax_term(distance);
      gap = distance.high;
      gap_label = select(hit, gap, gap_label);
      slope_label = select(hit, slope[c], slope_label);
    } else {
      term[c] = softmax_term(x[c], base);
    }
    rest = rest + select(tied, V(0), term[c]);
    ties = ties + select(tied, V(1), V(0));
    x_label = select(hit, x[c], x_label);
    term_label = select(hit, term[c], term_label);
    if constexpr (kSoft) {
      const V w = V(pass.class_weight ? pass.class_weight[c] : 1.0f), t = dense ? S::load(in.target[c]) : V(0);
      const V q = softmax_coefficient(w, t, keep_share, even);
      q_sum.add(q);
      q_gap = q_gap + softmax_gap(q, kShaped ? V(0) : anchor, gap);
    }
  }
  V top, level = anchor;
  if constexpr (kShaped) {
    top = softmax_term(softmax_distance(pass.shape, softmax_image(pass.shape, max).at, origin));
    level = softmax_distance(pass.shape, origin, TwoPart<V>{V(0), V(0)}).high;
  } else {
    top = softmax_term(max, base);
  }
  const V odds = rest / top + (ties - V(1));
  const SoftmaxRow<V> row{max,
                          kShaped ? V(0) : anchor,
                          odds,
                          V(1) / (top * (V(1) + odds)),
                          odds / (V(1) + odds),
                          q_sum.high(),
                          q_gap,
                          q_sum.low()};
  const V class_weight = S::load(in.label_class_weight), weight = S::load(in.weight), scale = S::load(in.scale);
  SoftmaxTarget<V> target{V(0), V(0)};
  if (!dense) {
    target.label_weight = keep_share * class_weight;
    if (kSoft) target.label_q = softmax_coefficient(class_weight, V(0), keep_share, even);
  }
  const auto kept = S::load(in.keep) > V(0);
  V loss = softmax_value(row, target, kShaped ? gap_label : x_label);
  SoftmaxExtra<V> extra{V(0), V(0)};
  if (kSoft && pass.z_loss > 0) {
    extra = softmax_extra(V(pass.z_loss), level, odds);
    loss = loss + extra.value;
  }
  const V value = select(kept, loss * weight, V(0));
  alignas(64) float lane[S::kWidth];
  store(value, lane);
  for (int i = 0; i < rows; ++i) {
    pass.value[first + i] = static_cast<double>(lane[i]);
    if (b.values.data) *address<float>(b.values, first + i, 0) = lane[i];
    if (in.bad[i]) count_bad(first + i, counts);
  }
  counts.count += count(kept);
  if (pass.ranks) {
    const auto [own, rank] = short_rank(x, in, classes, dense);
    const auto valid = kept & (odds == odds);  // a NaN row is never right
    counts.correct += count(valid & (rank == V(0)));
    counts.top_k += count(valid & (rank < V(b.metrics.top_k)));
    if (b.metrics.tallies()) tally_short(b.metrics, x, classes, max, odds, own, valid, rows);
  }
  if (!b.gradient.data) return;

  V sum = target.label_weight + row.q, label_slope;
  if constexpr (kSoft) {
    sum = sum + extra.slope;
    label_slope = softmax_label_gradient(row, target, x_label, term_label * row.scale, extra.slope);
  } else {
    label_slope = softmax_label_gradient(row, target, x_label, term_label * row.scale);
  }
  const V factor = sum * row.scale * scale, least = softmax_least(factor), at_peak = scale * sum * row.complement,
          peak = softmax_peak(row);
  V at_label = scale * label_slope;
  if constexpr (kShaped) at_label = softmax_bent(at_label, slope_label);
  for (int c = 0; c < classes; ++c) {
    V g = softmax_scaled(term[c], factor, least);
    if constexpr (kSoft) {
      const V w = V(pass.class_weight ? pass.class_weight[c] : 1.0f), t = dense ? S::load(in.target[c]) : V(0);
      const V q = softmax_coefficient(w, t, keep_share, even);
      g = select(x[c] == peak, fma(scale, (sum - q) + row.q_low, -at_peak), fma(-scale, q, g));
    }
    if constexpr (kShaped) g = softmax_bent(g, slope[c]);
    g = select(kept, select(label == V(c), at_label, g), V(0));
    counts.nonfinite += count(!(abs(g) < V(finite_limit<T>())));
    if (line_g && b.gradient.row_stride == 1) {
      store(g, address<T>(b.gradient, first, c));
    } else if (line_g) {
      S::scatter(g, address<T>(b.gradient, first, c), b.gradient.row_stride);
    } else {
      store(g, lane);
      for (int i = 0; i < rows; ++i) *address<T>(b.gradient, first + i, c) = from_float<T>(lane[i]);
    }
  }
}

template <class V, class T>
void softmax_short_rows(const SoftmaxPass& pass, std::int64_t first, std::int64_t last, Counts& counts) {
  for (std::int64_t r = first; r < last; r += Simd<V>::kWidth) {
    const int rows = last - r < Simd<V>::kWidth ? static_cast<int>(last - r) : Simd<V>::kWidth;
    if (pass.form == SoftmaxForm::hard)
      softmax_short_block<V, T, SoftmaxForm::hard>(pass, r, rows, counts);
    else if (pass.form == SoftmaxForm::soft)
      softmax_short_block<V, T, SoftmaxForm::soft>(pass, r, rows, counts);
    else
      softmax_short_block<V, T, SoftmaxForm::shaped>(pass, r, rows, counts);
  }
}

template <class V, class T>
void softmax_rows(const SoftmaxPass& pass, std::int64_t first, std::int64_t last, const RowScratch& scratch,
                  Counts& counts) {
  if (pass.batch->prediction.cols <= kShortRow)
    softmax_short_rows<V, T>(pass, first, last, counts);
  else
    softmax_long_rows<V, T>(pass, first, last, scratch, counts);
}

}  // namespace fuselage::cpu
