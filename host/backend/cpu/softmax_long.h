// The driver of softmax cross-entropy for rows of more than 32 classes: chunk by chunk, the terms kept in the cache.
#pragma once

#include "fuselage/core/simd.h"
#include "fuselage/core/softmax_shape.h"
#include "fuselage/loss_pass.h"
#include "host/backend/cpu/staging.h"
#include "host/backend/cpu/tally.h"
#include "host/backend/cpu/target.h"

namespace fuselage::cpu {

struct SoftmaxChunkStore {
  SoftmaxChunk part;
  SoftmaxBase<float> base;
};

/// What a row's inputs say before its logits are looked at.
struct RowInputs {
  bool counts = true;  ///< not masked, not ignored, not bad, and of a valid weight
  bool bad = false, bad_weight = false;
  std::int64_t label = -1;  ///< -1 for dense targets
  float weight = 1, label_class_weight = 1;
  double scale = 0;  ///< gradient scale, times weight and upstream gradient
};

FUSELAGE_HD bool has_nan(const ConstView& target, std::int64_t r) {
  for (std::int64_t c = 0; c < target.cols; ++c)
    if (const float t = real_at(target, r, c); t != t) return true;
  return false;
}

/// Of a row that counts so far: its target decides, then its weights.
FUSELAGE_HD RowInputs judged(RowInputs in, const ConstView& target, std::int64_t r) {
  if (!in.counts || (is_weight(in.weight) && is_weight(in.label_class_weight))) return in;
  in.counts = false;
  in.bad = !is_label(target.dtype) && has_nan(target, r);
  in.bad_weight = !in.bad;
  return in;
}

FUSELAGE_HD RowInputs row_inputs(const SoftmaxPass& pass, std::int64_t r) {
  const LossBatch& b = *pass.batch;
  RowInputs in;
  in.weight = weight_at(b.weight, r, 0);
  in.scale = static_cast<double>(pass.scale) * static_cast<double>(in.weight);
  if (b.reduction == Reduction::none && b.upstream.data && b.upstream.rows > 1)
    in.scale = in.scale * static_cast<double>(*address<float>(b.upstream, r, 0));
  const Step step = step_at(b, r);
  in.bad = step.bad;
  in.counts = step.counts && kept_at(b.mask, r, 0);
  if (!in.counts || !is_label(b.target.dtype)) return judged(in, b.target, r);
  in.label = label_at(b.target, r);
  if (pass.has_ignore_index && in.label == pass.ignore_index) {
    in.counts = false;
  } else if (in.label < 0 || in.label >= b.prediction.cols) {
    in.counts = false;
    in.bad = true;
  } else if (pass.class_weight) {
    in.label_class_weight = pass.class_weight[in.label];
  }
  return judged(in, b.target, r);
}

FUSELAGE_HD void count_bad(std::int64_t r, Counts& counts) {
  ++counts.bad;
  if (counts.first_bad < 0) counts.first_bad = r;
}

/// One chunk: x, w (class weights or null) and t (targets or null) point at its first element. The terms go to `terms`.
template <class V, SoftmaxForm kForm, class T>
FUSELAGE_HD SoftmaxChunkStore softmax_chunk(const SoftmaxShape& shape, const T* x, const float* w, const float* t,
                                            float keep, float even, int n, float* terms) {
  using S = Simd<V>;
  constexpr bool kSoft = kForm != SoftmaxForm::hard, kShaped = kForm == SoftmaxForm::shaped;
  constexpr int kVectors = kLanes / S::kWidth;
  const V lowest = V(-__builtin_inff());
  // Tails go through copies: -inf adds nothing to a sum, weight 0 nothing to the coefficients.
  alignas(64) float tail_x[kLanes], tail_w[kLanes], tail_t[kLanes], tail_in[kLanes];
  const int whole = n / kLanes * kLanes;
  if (whole < n) {
    for (int i = 0; i < kLanes; ++i) {
      const bool inside = whole + i < n;
      tail_x[i] = inside ? to_float(x[whole + i]) : -__builtin_inff();
      if constexpr (kShaped) tail_in[i] = inside ? 1.0f : 0.0f;
      if constexpr (kSoft) {
        tail_w[i] = !inside ? 0.0f : w ? w[whole + i] : 1.0f;
        tail_t[i] = inside && t ? t[whole + i] : 0.0f;
      }
    }
  }
  V most[4] = {lowest, lowest, lowest, lowest};
  for (int i = 0; i < whole; i += kLanes)
    for (int j = 0; j < kVectors; ++j) most[j & 3] = greater_of(S::load(x + i + j * S::kWidth), most[j & 3]);
  if (whole < n)
    for (int j = 0; j < kVectors; ++j) most[j & 3] = greater_of(S::load(tail_x + j * S::kWidth), most[j & 3]);
  SoftmaxChunkStore out;
  out.part.max = S::largest(greater_of(greater_of(most[0], most[1]), greater_of(most[2], most[3])));
  out.base = softmax_base(out.part.max);

  const SoftmaxBase<V> base{V(out.base.offset), V(out.base.magic), V(out.base.low)};
  const V max = V(out.part.max), anchor = V(softmax_anchor(out.part.max));
  const TwoPart<V> origin = kShaped ? softmax_origin(shape, max) : TwoPart<V>{};
  V sum[kVectors], q_sum[kSoft ? kVectors : 1], q_gap[kSoft ? kVectors : 1];
  for (int j = 0; j < kVectors; ++j) {
    sum[j] = V(0);
    if constexpr (kSoft) q_sum[j] = q_gap[j] = V(0);
  }
  std::int64_t ties = 0;
  // A cap makes something of -inf: transformed logits need to know what is inside.
  auto add = [&](V logit, V class_weight, V target, V inside, int j, float* term_out) __attribute__((always_inline)) {
    V term, gap = logit;
    if constexpr (kShaped) {
      const TwoPart<V> distance = softmax_distance(shape, softmax_image(shape, logit).at, origin);
      term = softmax_term(distance);
      gap = distance.high;
      term = select(inside > V(0), term, V(0));
    } else {
      term = softmax_term(logit, base);
    }
    auto tied = logit == max;
    if constexpr (kShaped) tied = tied & (inside > V(0));
    ties += count(tied);
    sum[j] = sum[j] + select(tied, V(0), term);
    store(term, term_out);
    if constexpr (kSoft) {
      const V q = softmax_coefficient(class_weight, target, V(keep), V(even));
      q_sum[j] = q_sum[j] + q;
      q_gap[j] = q_gap[j] + softmax_gap(q, kShaped ? V(0) : anchor, gap);
    }
  };
  constexpr int kAhead = kChunk;  // the next chunk arrives while this one computes
  for (int i = 0; i < whole; i += kLanes)
    for (int j = 0; j < kVectors; ++j) {
      const int k = i + j * S::kWidth;
      if (k * sizeof(T) % 64 == 0) __builtin_prefetch(x + k + kAhead, 0, 2);
      add(S::load(x + k), kSoft && w ? S::load(w + k) : V(1), kSoft && t ? S::load(t + k) : V(0), V(1), j, terms + k);
    }
  if (whole < n)
    for (int j = 0; j < kVectors; ++j) {
      const int k = j * S::kWidth;
      add(S::load(tail_x + k), kSoft ? S::load(tail_w + k) : V(0), kSoft ? S::load(tail_t + k) : V(0),
          kShaped ? S::load(tail_in + k) : V(1), j, terms + whole + k);
    }
  out.part.ties = static_cast<std::int32_t>(ties);
  out.part.sum = S::add(sum);
  if constexpr (kSoft) {
    out.part.q = S::add(q_sum);
    out.part.q_gap = S::add(q_gap);
  }
  return out;
}

/// The gradient of a chunk but for the label's element: term * factor - s q, and where x is the row's peak
/// s (A - q) - s A (1 - p).
struct ChunkGradient {
  float factor, least, row_scale, sum, at_peak, peak;
};

template <class V>
struct ChunkGradientIn {
  V factor, least, row_scale, sum, at_peak, peak;
  FUSELAGE_HD explicit ChunkGradientIn(const ChunkGradient& g)
      : factor(g.factor), least(g.least), row_scale(g.row_scale), sum(g.sum), at_peak(g.at_peak), peak(g.peak) {}

  template <bool kSoft>
  FUSELAGE_HD V operator()(V term, V x, V q) const {
    const V hard = softmax_scaled(term, factor, least);
    if constexpr (!kSoft) return hard;
    const V soft = fma(-row_scale, q, hard);
    return select(x == peak, fma(row_scale, sum - q, -at_peak), soft);
  }
};

template <class V, SoftmaxForm kForm, class T>
FUSELAGE_HD std::int64_t store_gradient(const SoftmaxShape& shape, const ChunkGradient& gradient, const T* x,
                                        const float* w, const float* t, float keep, float even, const float* terms,
                                        int n, bool streaming, T* g) {
  using S = Simd<V>;
  constexpr bool kSoft = kForm != SoftmaxForm::hard, kShaped = kForm == SoftmaxForm::shaped;
  const ChunkGradientIn<V> in(gradient);
  const V limit = V(finite_limit<T>());
  std::int64_t nonfinite = 0;
  auto one = [&](int k) __attribute__((always_inline)) {
    const V q =
        kSoft ? softmax_coefficient(w ? S::load(w + k) : V(1), t ? S::load(t + k) : V(0), V(keep), V(even)) : V(0);
    const V logit = kSoft ? S::load(x + k) : V(0);
    V out = in.template operator()<kSoft>(S::load(terms + k), logit, q);
    if constexpr (kShaped) out = softmax_bent(out, softmax_image(shape, logit).slope);
    nonfinite += count(!(abs(out) < limit));
    return out;
  };
  const int whole = n / S::kWidth * S::kWidth;
  int k = 0;
  if (streaming && reinterpret_cast<std::uintptr_t>(g) % 64 == 0)
    for (; k < whole; k += S::kWidth) stream(one(k), g + k);
  for (; k < whole; k += S::kWidth) store(one(k), g + k);
  const ChunkGradientIn<float> single(gradient);
  for (; k < n; ++k) {
    const float q = kSoft ? softmax_coefficient(w ? w[k] : 1.0f, t ? t[k] : 0.0f, keep, even) : 0.0f;
    const float logit = kSoft ? to_float(x[k]) : 0.0f;
    float out = single.template operator()<kSoft>(terms[k], logit, q);
    if constexpr (kShaped) out = softmax_bent(out, softmax_image(shape, logit).slope);
    nonfinite += count(!(abs(out) < finite_limit<T>()));
    g[k] = from_float<T>(out);
  }
  return nonfinite;
}

/// How many elements come before the label in the order of ranks_before.
template <class T>
FUSELAGE_HD std::int64_t rank_of(const T* x, std::int64_t n, float x_label, std::int64_t label) {
  std::int64_t before = 0;
  for (std::int64_t c = 0; c < n; ++c) before += ranks_before(to_float(x[c]), c, x_label, label);
  return before;
}

/// The first of the largest elements.
FUSELAGE_HD std::int64_t argmax(const float* t, std::int64_t n) {
  std::int64_t best = 0;
  for (std::int64_t c = 1; c < n; ++c)
    if (t[c] > t[best]) best = c;
  return best;
}

template <class V, class T, SoftmaxForm kForm>
void softmax_long_row(const SoftmaxPass& pass, std::int64_t r, const RowInputs& in, const RowScratch& scratch,
                      Counts& counts) {
  constexpr bool kSoft = kForm != SoftmaxForm::hard, kShaped = kForm == SoftmaxForm::shaped;
  const LossBatch& b = *pass.batch;
  const SoftmaxShape& shape = pass.shape;
  const std::int64_t n = b.prediction.cols, chunks = chunks_of(n);
  const bool dense = in.label < 0;
  const float keep = static_cast<float>(1 - pass.label_smoothing);
  const float even = static_cast<float>(pass.label_smoothing / static_cast<double>(n));
  const float* w = kSoft ? pass.class_weight : nullptr;

  const T* x = address<T>(b.prediction, r, 0);
  if (b.prediction.col_stride != 1) {
    T* copy = reinterpret_cast<T*>(scratch.logits);
    for (std::int64_t c = 0; c < n; ++c) copy[c] = *address<T>(b.prediction, r, c);
    x = copy;
  }
  const float* t = nullptr;
  if (dense) {
    if (b.target.dtype == DType::f32 && b.target.col_stride == 1) {
      t = address<float>(b.target, r, 0);
    } else {
      for (std::int64_t c = 0; c < n; ++c) scratch.targets[c] = real_at(b.target, r, c);
      t = scratch.targets;
    }
  }
  for (std::int64_t c = 0; c < chunks; ++c) {
    const std::int64_t at = c * kChunk;
    scratch.chunks[c] = softmax_chunk<V, kForm>(shape, x + at, w ? w + at : nullptr, t ? t + at : nullptr, keep, even,
                                                chunk_length(n, c), scratch.terms + at);
  }
  const auto part = [&](std::int64_t c) { return scratch.chunks[c].part; };
  SoftmaxRow<double> row;
  TwoPart<float> origin{};  // of transformed logits
  if constexpr (kShaped) {
    row = softmax_row(shape, chunks, part);
    origin = softmax_origin(shape, static_cast<float>(row.max));
  } else {
    row = softmax_row(chunks, part);
  }
  if (dense && row.q != row.q) {  // a NaN among the targets
    pass.value[r] = 0;
    if (b.values.data) *address<float>(b.values, r, 0) = 0;
    if (b.gradient.data)
      for (std::int64_t c = 0; c < n; ++c) *address<T>(b.gradient, r, c) = T{};
    return count_bad(r, counts);
  }
  ++counts.count;
  SoftmaxTarget<double> target{0, 0};
  float x_label = static_cast<float>(row.anchor);
  if (!dense) {
    target.label_weight = (1 - pass.label_smoothing) * static_cast<double>(in.label_class_weight);
    if (kSoft) target.label_q = softmax_coefficient(in.label_class_weight, 0.0f, keep, even);
    x_label = to_float(x[in.label]);
  }
  double gap = x_label;
  SoftmaxImage<float> image{};
  if constexpr (kShaped) {
    if (!dense) image = softmax_image(shape, x_label);
    gap = dense ? 0 : softmax_distance_double(shape, image.at, origin);
  }
  double loss = softmax_value<double>(row, target, gap), sum = target.label_weight + row.q;
  SoftmaxExtra<double> extra{0, 0};
  if (kSoft && pass.z_loss > 0) {
    extra = softmax_extra<double>(pass.z_loss, kShaped ? softmax_level(shape, origin) : row.anchor, row.odds);
    loss += extra.value;
    sum += extra.slope;
  }
  const double value = loss * static_cast<double>(in.weight);
  pass.value[r] = value;
  if (b.values.data) *address<float>(b.values, r, 0) = from_float<float>(static_cast<float>(value));
  if (pass.ranks && row.odds == row.odds) {  // a NaN row is never right
    const std::int64_t label = dense ? argmax(t, n) : in.label;
    const std::int64_t rank = rank_of(x, n, to_float(x[label]), label);
    counts.correct += rank == 0;
    counts.top_k += rank < b.metrics.top_k;
    if (b.metrics.tallies()) {
      std::int64_t most = 0;
      while (to_float(x[most]) != static_cast<float>(row.max)) ++most;
      tally(b.metrics, label, most, 1 / (1 + row.odds));
    }
  }
  if (!b.gradient.data) return;

  const SoftmaxBase<float> base = softmax_base(static_cast<float>(row.max));
  ChunkGradient gradient;
  gradient.row_scale = static_cast<float>(in.scale);
  gradient.sum = static_cast<float>(sum);
  gradient.at_peak = static_cast<float>(in.scale * sum * row.complement);
  gradient.peak = static_cast<float>(softmax_peak(row));
  double label_gradient = 0;
  const bool in_place_layout = b.gradient.col_stride == 1;
  T* g = in_place_layout ? address<T>(b.gradient, r, 0) : reinterpret_cast<T*>(scratch.gradient);
  for (std::int64_t c = 0; c < chunks; ++c) {
    const std::int64_t at = c * kChunk, k = in.label - at;
    const int length = chunk_length(n, c);
    const double rebase = kShaped ? softmax_rebase(shape, scratch.chunks[c].part.max, origin)
                                  : softmax_rebase(scratch.chunks[c].base, base);
    gradient.factor = static_cast<float>(sum * row.scale * rebase * in.scale);
    gradient.least = softmax_least(gradient.factor);
    const bool holds_label = !dense && k >= 0 && k < length;
    if (holds_label) {
      // The label's element is replaced below: its place in the count of non-finite elements goes with it.
      const double p = static_cast<double>(scratch.terms[in.label]) * row.scale * rebase;
      label_gradient = in.scale * (kSoft ? softmax_label_gradient<double>(row, target, x_label, p, extra.slope)
                                         : softmax_label_gradient<double>(row, target, x_label, p));
      const float q = kSoft ? softmax_coefficient(in.label_class_weight, 0.0f, keep, even) : 0.0f;
      float bulk = ChunkGradientIn<float>(gradient).template operator()<kSoft>(scratch.terms[in.label], x_label, q);
      if constexpr (kShaped) {
        label_gradient = static_cast<double>(softmax_bent(static_cast<float>(label_gradient), image.slope));
        bulk = softmax_bent(bulk, image.slope);
      }
      const float final_value = static_cast<float>(label_gradient);
      counts.nonfinite += count(!(abs(final_value) < finite_limit<T>())) - count(!(abs(bulk) < finite_limit<T>()));
    }
    counts.nonfinite +=
        store_gradient<V, kForm>(shape, gradient, x + at, w ? w + at : nullptr, t ? t + at : nullptr, keep, even,
                                 scratch.terms + at, length, pass.streaming && !holds_label, g + at);
    if (holds_label) g[in.label] = from_float<T>(static_cast<float>(label_gradient));
  }
  if (!in_place_layout)
    for (std::int64_t c = 0; c < n; ++c) *address<T>(b.gradient, r, c) = g[c];
}

/// A row that counts for nothing.
template <class T>
FUSELAGE_HD void leave_out_row(const SoftmaxPass& pass, std::int64_t r) {
  const LossBatch& b = *pass.batch;
  pass.value[r] = 0;
  if (b.values.data) *address<float>(b.values, r, 0) = 0;
  if (b.gradient.data)
    for (std::int64_t c = 0; c < b.prediction.cols; ++c) *address<T>(b.gradient, r, c) = T{};
}

template <class V, class T>
void softmax_long_rows(const SoftmaxPass& pass, std::int64_t first, std::int64_t last, const RowScratch& scratch,
                       Counts& counts) {
  for (std::int64_t r = first; r < last; ++r) {
    const RowInputs in = row_inputs(pass, r);
    if (!in.counts) {
      if (in.bad) count_bad(r, counts);
      leave_out_row<T>(pass, r);
    } else if (pass.form == SoftmaxForm::hard) {
      softmax_long_row<V, T, SoftmaxForm::hard>(pass, r, in, scratch, counts);
    } else if (pass.form == SoftmaxForm::soft) {
      softmax_long_row<V, T, SoftmaxForm::soft>(pass, r, in, scratch, counts);
    } else {
      softmax_long_row<V, T, SoftmaxForm::shaped>(pass, r, in, scratch, counts);
    }
  }
}

}  // namespace fuselage::cpu
