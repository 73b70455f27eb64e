// The driver of pointwise losses: value, gradient, metrics and counts of a run of chunks, in one pass.
#pragma once

#include "fuselage/loss_pass.h"
#include "host/backend/cpu/simd_portable.h"
#include "host/backend/cpu/staging.h"
#include "host/backend/cpu/target.h"

namespace fuselage::cpu {

/// 256 elements gathered into packed floats, for tails, strides, weights and mixed types. `keep` is 1 or 0, and the
/// elements past the end are not kept.
struct Tile {
  alignas(64) float y[kLanes], t[kLanes], w[kLanes], factor[kLanes], keep[kLanes], value[kLanes], gradient[kLanes];
};

/// The lane sums of a chunk.
template <class V>
struct LaneSums {
  static constexpr int kVectors = kLanes / Simd<V>::kWidth;
  V value[kVectors], abs_error[kVectors], squared_error[kVectors];
};

/// Gathers `n` elements from index `first` on.
FUSELAGE_HD void gather_tile(const PointwisePass& pass, std::int64_t first, int n, Tile& tile) {
  const LossBatch& b = *pass.batch;
  const std::int64_t cols = b.prediction.cols;
  std::int64_t r = first / cols, c = first % cols;
  const bool each_upstream = b.reduction == Reduction::none && b.upstream.data && b.upstream.rows * b.upstream.cols > 1;
  for (int i = 0; i < n; ++i) {
    const bool kept = kept_at(b.mask, r, c);
    tile.y[i] = real_at(b.prediction, r, c);
    tile.t[i] = real_at(b.target, r, c);
    tile.w[i] = weight_at(b.weight, r, c);
    tile.keep[i] = kept ? 1.0f : 0.0f;
    const float factor = tile.w[i] * pass.scale;
    tile.factor[i] = each_upstream ? factor * *address<float>(b.upstream, r, b.upstream.cols > 1 ? c : 0) : factor;
    if (++c == cols) c = 0, ++r;
  }
  for (int i = n; i < kLanes; ++i) tile.y[i] = tile.t[i] = tile.w[i] = tile.factor[i] = tile.keep[i] = 0;
}

/// Writes a tile's values and gradient where they belong.
template <class T>
FUSELAGE_HD void scatter_tile(const LossBatch& b, std::int64_t first, int n, const Tile& tile) {
  const std::int64_t cols = b.prediction.cols;
  std::int64_t r = first / cols, c = first % cols;
  for (int i = 0; i < n; ++i) {
    if (b.gradient.data) *address<T>(b.gradient, r, c) = from_float<T>(tile.gradient[i]);
    if (b.values.data) *address<float>(b.values, r, c) = tile.value[i];
    if (++c == cols) c = 0, ++r;
  }
}

/// One vector of elements: adds to lane sums `j` and to the counts, and gives back value and gradient.
template <class T, bool kMetrics, class V, class L, class M>
FUSELAGE_HD Contribution<V> add_vector(const L& loss, V y, V t, M kept, V w, V factor, int j, LaneSums<V>& sums,
                                       Counts& counts) {
  const auto good = t == t, keep = kept & good;
  const Contribution<V> out = contribution(loss, y, t, keep, w, factor);
  sums.value[j] = sums.value[j] + out.value;
  counts.count += count(keep);
  counts.bad += count(kept & !good);
  counts.nonfinite += count(!(abs(out.gradient) < V(finite_limit<T>())));
  if constexpr (kMetrics) {
    sums.abs_error[j] = sums.abs_error[j] + out.abs_error;
    sums.squared_error[j] = sums.squared_error[j] + out.squared_error;
    if constexpr (L::decision != Decision::none) counts.correct += count(keep & decides_right<L>(y, t));
  }
  return out;
}

/// 256 elements that follow each other in memory, nothing left out but NaN targets.
template <class V, class L, class T, bool kMetrics, bool kStream>
FUSELAGE_HD void plain_tile(const L& loss, const PointwisePass& pass, std::int64_t first, LaneSums<V>& sums,
                            Counts& counts) {
  using S = Simd<V>;
  const LossBatch& b = *pass.batch;
  const T* y = static_cast<const T*>(b.prediction.data) + first;
  const T* t = static_cast<const T*>(b.target.data) + first;
  T* g = b.gradient.data ? static_cast<T*>(b.gradient.data) + first : nullptr;
  float* value = b.values.data ? static_cast<float*>(b.values.data) + first : nullptr;
  const V w = V(1), factor = V(pass.scale);
  constexpr int kAhead = 1024 / sizeof(T);  // hides the page walks of 4 KB pages behind arithmetic
  for (int j = 0; j < LaneSums<V>::kVectors; ++j) {
    const int i = j * S::kWidth;
    if (i * sizeof(T) % 64 == 0) {
      __builtin_prefetch(y + i + kAhead, 0, 3);
      __builtin_prefetch(t + i + kAhead, 0, 3);
    }
    const V target = S::load(t + i);
    const auto all = V(0) == V(0);
    const auto out = add_vector<T, kMetrics>(loss, S::load(y + i), target, all, w, factor, j, sums, counts);
    if (g) {
      if constexpr (kStream)
        stream(out.gradient, g + i);
      else
        store(out.gradient, g + i);
    }
    if (value) store(out.value, value + i);
  }
}

template <class V, class L, class T, bool kMetrics>
FUSELAGE_HD void gathered_tile(const L& loss, const PointwisePass& pass, std::int64_t first, int n, LaneSums<V>& sums,
                               Counts& counts) {
  using S = Simd<V>;
  Tile tile;
  gather_tile(pass, first, n, tile);
  for (int j = 0; j < LaneSums<V>::kVectors; ++j) {
    const int i = j * S::kWidth;
    const auto kept = S::load(tile.keep + i) > V(0);
    const auto out = add_vector<T, kMetrics>(loss, S::load(tile.y + i), S::load(tile.t + i), kept, S::load(tile.w + i),
                                             S::load(tile.factor + i), j, sums, counts);
    store(out.value, tile.value + i);
    store(out.gradient, tile.gradient + i);
  }
  scatter_tile<T>(*pass.batch, first, n, tile);
}

/// The first bad element of [first, first + n), which has one.
FUSELAGE_HD std::int64_t find_bad(const LossBatch& b, std::int64_t first, std::int64_t n) {
  for (std::int64_t i = first; i < first + n; ++i) {
    const std::int64_t r = i / b.prediction.cols, c = i % b.prediction.cols;
    const float t = real_at(b.target, r, c);
    if (t != t && kept_at(b.mask, r, c)) return i;
  }
  return -1;
}

template <class V, class L, class T, bool kMetrics>
void pointwise_run(const L& loss, const PointwisePass& pass, std::int64_t first_chunk, std::int64_t last_chunk,
                   Counts& counts) {
  const std::int64_t n = pass.batch->prediction.rows * pass.batch->prediction.cols;
  const bool aligned = reinterpret_cast<std::uintptr_t>(pass.batch->gradient.data) % 64 == 0;
  for (std::int64_t c = first_chunk; c < last_chunk; ++c) {
    LaneSums<V> sums;
    for (int j = 0; j < LaneSums<V>::kVectors; ++j) sums.value[j] = sums.abs_error[j] = sums.squared_error[j] = V(0);
    const std::int64_t begin = c * kChunk;
    const int length = chunk_length(n, c);
    const std::int64_t bad_before = counts.bad;
    int i = 0;
    if (pass.plain && pass.streaming && aligned)
      for (; i + kLanes <= length; i += kLanes)
        plain_tile<V, L, T, kMetrics, true>(loss, pass, begin + i, sums, counts);
    else if (pass.plain)
      for (; i + kLanes <= length; i += kLanes)
        plain_tile<V, L, T, kMetrics, false>(loss, pass, begin + i, sums, counts);
    for (; i < length; i += kLanes)
      gathered_tile<V, L, T, kMetrics>(loss, pass, begin + i, length - i < kLanes ? length - i : kLanes, sums, counts);
    if (counts.bad > bad_before && counts.first_bad < 0) counts.first_bad = find_bad(*pass.batch, begin, length);
    pass.value[c] = Simd<V>::add(sums.value);
    if constexpr (kMetrics) {
      pass.abs_error[c] = Simd<V>::add(sums.abs_error);
      pass.squared_error[c] = Simd<V>::add(sums.squared_error);
    }
  }
}

/// Chunks [first_chunk, last_chunk) of the pass with the loss that `loss` points to.
template <class V, class L, class T>
void pointwise_chunks(const void* loss, const PointwisePass& pass, std::int64_t first_chunk, std::int64_t last_chunk,
                      Counts& counts) {
  const MetricRequest& m = pass.batch->metrics;
  const L l = *static_cast<const L*>(loss);
  if (m.accuracy || m.errors)
    pointwise_run<V, L, T, true>(l, pass, first_chunk, last_chunk, counts);
  else
    pointwise_run<V, L, T, false>(l, pass, first_chunk, last_chunk, counts);
}

}  // namespace fuselage::cpu
