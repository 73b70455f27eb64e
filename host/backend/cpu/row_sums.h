// The driver of row losses (loss/row.h) for one row in fp32: facts, sums, value, gradient.
#pragma once

#include "fuselage/core/simd.h"
#include "fuselage/row_pass.h"
#include "host/backend/cpu/target.h"

namespace fuselage::cpu {

/// The first `n` lanes of a vector, n >= 0.
template <class V>
FUSELAGE_HD auto first_lanes(std::int64_t n) {
  constexpr int kWidth = Simd<V>::kWidth;
  alignas(64) float lane[kWidth];
  for (int i = 0; i < kWidth; ++i) lane[i] = i < n ? 1.0f : 0.0f;
  return Simd<V>::load(lane) > V(0);
}

/// A loss over a row whose elements are read in vectors of V; V = float reads them one by one.
template <class V, class L>
struct RowReader {
  static constexpr RowShape kShape = L::row;
  static constexpr int kInputs = kShape.row_second ? 1 : L::inputs.count();

  const StagedRow& row;
  RowSoftmax<V> softmax{};

  FUSELAGE_HD RowElement<V> operator()(std::int64_t i) const {
    using S = Simd<V>;
    RowElement<V> e;
    for (int k = 0; k < kRowInputs; ++k) e.x[k] = k < kInputs ? S::load(row.x[k] + i) : V(0);
    e.t = row.t ? S::load(row.t + i) : V(0);
    e.w = row.w ? S::load(row.w + i) : V(1);
    e.p = e.log_p = e.rest = V(0);
    if constexpr (kShape.softmax) set_softmax(softmax, e);
    e.most = kShape.most ? S::load(row.most + i) : V(0);
    return e;
  }
};

/// Calls f(first column, lane vector, whether all lanes are inside, the mask of those that are) over a chunk.
template <class V, class F>
FUSELAGE_HD void for_vectors(std::int64_t first, int n, F&& f) {
  constexpr int kWidth = Simd<V>::kWidth;
  const auto all = V(0) == V(0);
  int i = 0;
  for (; i + kWidth <= n; i += kWidth) f(first + i, i % kLanes / kWidth, true, all);
  if (i < n) f(first + i, i % kLanes / kWidth, false, first_lanes<V>(n - i));
}

/// The sums of kCount terms over the row: `terms(first column, out)` in vectors, added in the canonical order.
template <class V, int kCount, class Terms>
FUSELAGE_HD void sum_row(std::int64_t cols, double* sums, Terms&& terms) {
  constexpr int kVectors = kLanes / Simd<V>::kWidth;
  for (int q = 0; q < kCount; ++q) sums[q] = 0;
  for (std::int64_t c = 0; c < chunks_of(cols); ++c) {
    V lane[kCount][kVectors];
    for (int q = 0; q < kCount; ++q)
      for (int j = 0; j < kVectors; ++j) lane[q][j] = V(0);
    for_vectors<V>(
        c * kChunk,
        chunk_length(cols, c), [&](std::int64_t i, int j, bool whole, auto inside) __attribute__((always_inline)) {
          V out[kCount];
          terms(i, inside, out);
          for (int q = 0; q < kCount; ++q) lane[q][j] = lane[q][j] + (whole ? out[q] : select(inside, out[q], V(0)));
        });
    for (int q = 0; q < kCount; ++q) sums[q] += static_cast<double>(Simd<V>::add(lane[q]));
  }
}

/// The softmax of the prediction.
template <class V>
FUSELAGE_HD RowSoftmax<float> softmax_of(const float* x, std::int64_t cols, RowFacts& facts) {
  using S = Simd<V>;
  const V lowest = V(-__builtin_inff());
  V most = lowest;
  for (std::int64_t c = 0; c < chunks_of(cols); ++c)
    for_vectors<V>(
        c * kChunk, chunk_length(cols, c), [&](std::int64_t i, int, bool, auto inside) __attribute__((always_inline)) {
          most = greater_of(select(inside, S::load(x + i), lowest), most);
        });
  const float max = S::largest(most);
  const SoftmaxBase<float> own = softmax_base(max);
  const SoftmaxBase<V> base{V(own.offset), V(own.magic), V(own.low)};
  std::int64_t ties = 0;
  double rest = 0;
  sum_row<V, 1>(
      cols, &rest, [&](std::int64_t i, auto inside, V* out) __attribute__((always_inline)) {
        const V logit = S::load(x + i);
        const auto tied = logit == V(max);
        ties += count(tied & inside);
        out[0] = select(tied, V(0), softmax_term(logit, base));
      });
  return row_softmax(max, rest, ties, facts);
}

/// What ranks first, and where; ranked NaN are passed over.
template <class V, class L>
FUSELAGE_HD void find_most(const L& loss, const RowReader<V, L>& at, const RowReader<float, L>& one_at,
                           std::int64_t cols, RowFacts& facts) {
  const V lowest = V(-__builtin_inff());
  float best = -__builtin_inff();
  std::int64_t best_chunk = -1;
  for (std::int64_t c = 0; c < chunks_of(cols); ++c) {
    V most = lowest;
    for_vectors<V>(
        c * kChunk, chunk_length(cols, c), [&](std::int64_t i, int, bool, auto inside) __attribute__((always_inline)) {
          most = greater_of(select(inside, loss.ranked(at(i)), lowest), most);
        });
    const float here = Simd<V>::largest(most);
    if (here > best) best = here, best_chunk = c;
  }
  facts.most = static_cast<double>(best);
  if (best_chunk < 0) return;
  std::int64_t i = best_chunk * kChunk;
  while (!(loss.ranked(one_at(i)) == best)) ++i;
  facts.most_at = i;
}

template <class V>
FUSELAGE_HD void round_coefficients(const double* k, V* out) {
  for (int i = 0; i < kRowCoefficients; ++i) out[i] = V(k[i]);
}

template <int kSweep, class V, class L>
FUSELAGE_HD void sweep_row(const L& loss, const RowReader<V, L>& at, const RowFacts& facts, double* k) {
  if constexpr (kSweep < L::row.sweeps) {
    if (kSweep >= row_sweeps(loss)) return;
    constexpr int kCount = L::row.sums[kSweep];
    V rounded[kRowCoefficients];
    round_coefficients(k, rounded);
    double sums[kRowSums];
    sum_row<V, kCount>(
        facts.cols, sums, [&](std::int64_t i, auto, V* out) __attribute__((always_inline)) {
          loss.template terms<kSweep>(at(i), static_cast<const V*>(rounded), out);
        });
    row_gather<kSweep>(loss, facts, sums, k);
  }
}

/// See StagedRow.
template <class V, class L>
void row_sums_row(const void* any_loss, StagedRow& row) {
  const L loss = *static_cast<const L*>(any_loss);
  const std::int64_t cols = row.facts.cols;
  RowReader<V, L> at{row};
  RowReader<float, L> one_at{row};
  if constexpr (L::row.softmax) {
    one_at.softmax = softmax_of<V>(row.x[0], cols, row.facts);
    at.softmax = one_at.softmax.template in<V>();
  }
  if constexpr (L::row.most) {
    find_most(loss, at, one_at, cols, row.facts);
    if (row.facts.most_at >= 0) row.most[row.facts.most_at] = 1;
  }
  double k[kRowCoefficients] = {};
  row_start(loss, row.facts, k);
  sweep_row<0, V>(loss, at, row.facts, k);
  sweep_row<1, V>(loss, at, row.facts, k);
  row.value = loss.value(row.facts, static_cast<const double*>(k));
  if (row.tallied) row.confidence = row_confidence(loss, row.facts, static_cast<const double*>(k), row.greatest);
  row.nonfinite = 0;
  if (row.g[0] || row.g[1] || row.g[2]) {
    V rounded[kRowCoefficients];
    round_coefficients(k, rounded);
    const V scale = V(static_cast<double>(row_scale(row.scale, row.value))), limit = V(static_cast<double>(row.limit));
    for (std::int64_t c = 0; c < chunks_of(cols); ++c)
      for_vectors<V>(
          c * kChunk,
          chunk_length(cols, c), [&](std::int64_t i, int, bool, auto inside) __attribute__((always_inline)) {
            V g[kRowInputs] = {V(0), V(0), V(0)};
            loss.gradient(at(i), static_cast<const V*>(rounded), g);
            for (int n = 0; n < RowReader<V, L>::kInputs; ++n) {
              if (!row.g[n]) continue;
              const V out = g[n] * scale;
              row.nonfinite += count(inside & !(abs(out) < limit));
              store(out, row.g[n] + i);
            }
          });
  }
  if constexpr (L::row.most) {
    if (row.facts.most_at >= 0) row.most[row.facts.most_at] = 0;
  }
}

}  // namespace fuselage::cpu
