// A warp's work on one chunk of a long row once the row's sums are known: the gradient, and the rank of the label.
#pragma once

#include "kernels/softmax_sweep.cuh"

namespace fuselage::kernels {

/// The first of the largest elements among those that were looked at.
struct Most {
  float value;
  std::int64_t at;

  __device__ __forceinline__ void take(float x, std::int64_t i) {
    if (!(x > value || (x == value && i < at))) return;
    value = x;
    at = i;
  }
};

/// The one that comes first of two.
struct FirstOfLargest {
  __device__ __forceinline__ Most operator()(Most a, const Most& b) const {
    a.take(b.value, b.at);
    return a;
  }
};
template <>
inline constexpr bool kOrderFree<FirstOfLargest, Most> = true;

/// Looks at the targets of chunk `c`.
template <class T, int V>
__device__ __forceinline__ void most_of_chunk(const SoftmaxArgs& a, std::int64_t r, std::int64_t c, Most& most) {
  for_each_group<V, 1>(chunk_length(a.cols, c), [&](int, int i, int live) {
    float t[V];
    load_targets<V, T>(a, r, c * kChunk + i, live, t);
#pragma unroll
    for (int v = 0; v < V; ++v)
      if (v < live) most.take(t[v], c * kChunk + i + v);
  });
}

/// How many elements of chunk `c` come before the label, as this thread sees it.
template <int V, class T>
__device__ __forceinline__ unsigned rank_in_chunk(const SoftmaxArgs& a, const RowView<T>& row, std::int64_t c,
                                                  float x_label, std::int64_t label) {
  unsigned before = 0;
  for_each_group<V, 1>(chunk_length(a.cols, c), [&](int, int i, int live) {
    float x[V];
    load_logits(row, c * kChunk + i, live, x);
#pragma unroll
    for (int v = 0; v < V; ++v) before += v < live && ranks_before(x[v], c * kChunk + i + v, x_label, label);
  });
  return before;
}

/// The first element of chunk `c` that is the row's maximum, as this thread sees it; ~0 where there is none.
template <int V, class T>
__device__ __forceinline__ Count first_of_chunk(const SoftmaxArgs& a, const RowView<T>& row, std::int64_t c,
                                                float max) {
  Count first = ~Count{0};
  for_each_group<V, 1>(chunk_length(a.cols, c), [&](int, int i, int live) {
    float x[V];
    load_logits(row, c * kChunk + i, live, x);
#pragma unroll
    for (int v = V - 1; v >= 0; --v) {
      const Count at = static_cast<Count>(c * kChunk + i + v);
      if (v < live && x[v] == max && at < first) first = at;
    }
  });
  return first;
}

/// What the gradient of a row needs beside its chunks.
struct RowGradient {
  double sum_scale, scale;  ///< sum of the coefficients / sum of the terms; gradient scale
  SoftmaxBase<float> base;
  TwoPart<float> origin;  ///< in the place of `base` for transformed logits
  float row_scale, sum, at_peak, peak;
  float at_label;  ///< the gradient of the label's own element
};

/// The gradient of chunk `c`: term * factor - s q, where x is the row's peak s (A - q) - s A (1 - p), and the
/// label's own. Gives back how many elements are not finite.
template <class T, int V, SoftmaxForm kForm>
__device__ __forceinline__ unsigned gradient_chunk(const SoftmaxArgs& a, const Smoothing& share, const RowView<T>& row,
                                                   const RowGradient& g, const ChunkStore& store, std::int64_t label,
                                                   std::int64_t c, const float* terms) {
  constexpr bool kSoft = kForm != SoftmaxForm::hard, kShaped = kForm == SoftmaxForm::shaped;
  const std::int64_t first = c * kChunk;
  const int n = chunk_length(a.cols, c);
  const std::int64_t behind = label - first;
  const int label_at = behind >= 0 && behind < n ? static_cast<int>(behind) : -1;
  const SoftmaxBase<float> base = store.base;
  double rebase;
  TwoPart<float> origin{};
  if constexpr (kShaped) {
    rebase = softmax_rebase(a.shape, store.part.max, g.origin);
    origin = softmax_origin(a.shape, store.part.max);
  } else {
    rebase = softmax_rebase(base, g.base);
  }
  const float factor = static_cast<float>(g.sum_scale * rebase * g.scale), least = softmax_least(factor);
  T* out = static_cast<T*>(a.gradient.data) + row_of<V>(a.gradient, row.row) + first * a.gradient.col_stride;
  unsigned nonfinite = 0;
  for_each_group<V, kSoft ? 1 : 2>(n, [&](int, int i, int live) {
    float x[V] = {}, y[V] = {}, q[V] = {};
    if (terms) load_raw<V>(terms + first + i, y);
    if (kSoft || !terms) load_logits(row, first + i, live, x);
    if constexpr (kSoft) load_coefficients<V, T>(a, share, row.row, first + i, live, q);
#pragma unroll
    for (int v = 0; v < V; ++v) {
      if (v >= live) continue;
      float slope = 1;
      if constexpr (kShaped) {
        const SoftmaxImage<float> image = softmax_image(a.shape, x[v]);
        if (!terms) y[v] = softmax_term(softmax_distance(a.shape, image.at, origin));
        y[v] = softmax_scaled(y[v], factor, least);
        slope = image.slope;
      } else {
        y[v] = softmax_scaled(terms ? y[v] : softmax_term(x[v], base), factor, least);
      }
      if constexpr (kSoft) {
        const float soft = fma(-g.row_scale, q[v], y[v]);
        y[v] = select(x[v] == g.peak, fma(g.row_scale, g.sum - q[v], -g.at_peak), soft);
      }
      if constexpr (kShaped) y[v] = softmax_bent(y[v], slope);
      if (i + v == label_at) y[v] = g.at_label;
      nonfinite += !(abs(y[v]) < finite_limit<T>());
    }
    if (V > 1 && live == V) {
      store_floats(y, out + i);
    } else {
#pragma unroll
      for (int v = 0; v < V; ++v)
        if (v < live) out[(i + v) * a.gradient.col_stride] = from_float<T>(y[v]);
    }
  });
  return nonfinite;
}

}  // namespace fuselage::kernels
