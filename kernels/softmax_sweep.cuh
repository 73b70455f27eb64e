// A warp's work on one chunk of a long row: the sweeps over its logits. Thread t takes the elements of its lanes (see
// reduce.cuh), in groups of V that lie side by side.
#pragma once

#include "kernels/softmax_rows.cuh"

namespace fuselage::kernels {

/// Where row r of a plane begins. What is read by vectors has no blocks.
template <int V, class Void>
__device__ __forceinline__ std::int64_t row_of(const BasicPlane<Void>& p, std::int64_t r) {
  if constexpr (V > 1)
    return r * p.row_stride;
  else
    return row_offset(p, r);
}

/// One row as the sweeps see it.
template <class T>
struct RowView {
  const T* x;
  std::int64_t stride;  ///< of the logits; 1 where V > 1
  std::int64_t row;
};

/// Calls f(j, i, live) for this thread's groups of a chunk of n elements: the group starts at i, `live` of it exist,
/// and it belongs to the lane sums from j V on. Whole tiles have a loop of their own, without a test between their
/// loads.
template <int V, int kUnroll, class F>
__device__ __forceinline__ void for_each_group(int n, F&& f) {
  constexpr int J = kLanesOfThread / V;
  int base = 0;
#pragma unroll kUnroll
  for (; base + kLanes <= n; base += kLanes) {
#pragma unroll
    for (int j = 0; j < J; ++j) f(j, base + (j * kWarp + lane_id()) * V, V);
  }
  if (base == n) return;
#pragma unroll
  for (int j = 0; j < J; ++j) {
    const int i = base + (j * kWarp + lane_id()) * V;
    if (i < n) f(j, i, n - i < V ? n - i : V);
  }
}

/// The logits of a group that starts at class c.
template <int V, class T>
__device__ __forceinline__ void load_logits(const RowView<T>& row, std::int64_t c, int live, float (&x)[V]) {
  if constexpr (V == 1) {
    x[0] = to_float(row.x[c * row.stride]);
  } else if (live == V) {
    load_floats<V>(row.x + c, x);
  } else {
#pragma unroll
    for (int v = 0; v < V; ++v) x[v] = v < live ? to_float(row.x[c + v]) : 0.0f;
  }
}

/// The targets of a group, 0 for labels.
template <int V, class T>
__device__ __forceinline__ void load_targets(const SoftmaxArgs& a, std::int64_t r, std::int64_t c, int live,
                                             float (&t)[V]) {
#pragma unroll
  for (int v = 0; v < V; ++v) t[v] = 0;
  if (!a.dense) return;
  const std::int64_t at = row_of<V>(a.target, r) + c * a.target.col_stride;
  const auto load = [&](const auto* data) {
    if (a.target_vectors && live == V) {
      load_floats<V>(data, t);
    } else {
#pragma unroll
      for (int v = 0; v < V; ++v)
        if (v < live) t[v] = to_float(data[v * a.target.col_stride]);
    }
  };
  if (a.target.dtype == DType::f32)
    load(static_cast<const float*>(a.target.data) + at);
  else
    load(static_cast<const T*>(a.target.data) + at);
}

/// The soft coefficients of a group.
template <int V, class T>
__device__ __forceinline__ void load_coefficients(const SoftmaxArgs& a, const Smoothing& share, std::int64_t r,
                                                  std::int64_t c, int live, float (&q)[V]) {
  load_targets<V, T>(a, r, c, live, q);
  const float* w = static_cast<const float*>(a.class_weight.data);
#pragma unroll
  for (int v = 0; v < V; ++v)
    if (v < live)
      q[v] = softmax_coefficient(w ? w[(c + v) * a.class_weight.col_stride] : 1.0f, q[v], share.keep, share.even);
}

/// A group's terms, in shared memory.
template <int V>
__device__ __forceinline__ void put_terms(const float (&x)[V], float* terms) {
  if constexpr (V == 1) {
    *terms = x[0];
  } else {
#pragma unroll
    for (int v = 0; v < V; v += 4)
      *reinterpret_cast<float4*>(terms + v) = make_float4(x[v], x[v + 1], x[v + 2], x[v + 3]);
  }
}

/// Sums up chunk `c`; the terms of the row go to `terms`, which has room for whole groups, where that is not null. The
/// result is in lane 0.
template <class T, int V, SoftmaxForm kForm>
__device__ __forceinline__ ChunkStore sweep_chunk(const SoftmaxArgs& a, const Smoothing& share, const RowView<T>& row,
                                                  std::int64_t c, float* terms) {
  constexpr bool kSoft = kForm != SoftmaxForm::hard, kShaped = kForm == SoftmaxForm::shaped;
  const std::int64_t first = c * kChunk;
  const int n = chunk_length(a.cols, c);
  ChunkStore out;
  for_each_group<V, 2>(n, [&](int, int i, int live) {
    float x[V];
    load_logits(row, first + i, live, x);
#pragma unroll
    for (int v = 0; v < V; ++v)
      if (v < live) out.part.max = greater_of(x[v], out.part.max);
  });
  out.part.max = warp_max(out.part.max);
  out.base = softmax_base(out.part.max);
  const float anchor = softmax_anchor(out.part.max);
  TwoPart<float> origin{};
  if constexpr (kShaped) origin = softmax_origin(a.shape, out.part.max);
  float sum[kLanesOfThread] = {}, q_sum[kSoft ? kLanesOfThread : 1] = {}, q_gap[kSoft ? kLanesOfThread : 1] = {};
  for_each_group<V, kSoft ? 1 : 2>(n, [&](int j, int i, int live) {
    float x[V], q[V] = {};
    load_logits(row, first + i, live, x);
    if constexpr (kSoft) load_coefficients<V, T>(a, share, row.row, first + i, live, q);
#pragma unroll
    for (int v = 0; v < V; ++v) {
      if (v >= live) continue;
      const int k = j * V + v;
      const float logit = x[v];
      float term, gap = logit;
      if constexpr (kShaped) {
        const TwoPart<float> distance = softmax_distance(a.shape, softmax_image(a.shape, logit).at, origin);
        term = softmax_term(distance);
        gap = distance.high;
      } else {
        term = softmax_term(logit, out.base);
      }
      const bool tied = logit == out.part.max;
      out.part.ties += tied;
      sum[k] = sum[k] + (tied ? 0.0f : term);
      x[v] = term;
      if constexpr (kSoft) {
        q_sum[k] = q_sum[k] + q[v];
        q_gap[k] = q_gap[k] + softmax_gap(q[v], kShaped ? 0.0f : anchor, gap);
      }
    }
    if (terms) put_terms(x, terms + first + i);
  });
  out.part.ties = warp_reduce(out.part.ties, Sum{});
  out.part.sum = add_warp_lanes<V>(sum);
  if constexpr (kSoft) {
    out.part.q = add_warp_lanes<V>(q_sum);
    out.part.q_gap = add_warp_lanes<V>(q_gap);
  }
  return out;
}

}  // namespace fuselage::kernels
