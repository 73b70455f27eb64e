// Pointwise losses on packed memory and nothing else: reads prediction and target once, by 16 bytes and all of a tile
// before its stores, writes the gradient once, and sums value, metrics and counts on the way.
#pragma once

#include "kernels/pointwise_pass.cuh"

namespace fuselage::kernels {

template <bool kWhole, int V, class T>
__device__ __forceinline__ void store_some(const float (&x)[V], T* p, int live) {
  if constexpr (kWhole) {
    store_floats(x, p);
  } else {
#pragma unroll
    for (int v = 0; v < V; ++v)
      if (v < live) p[v] = from_float<T>(x[v]);
  }
}

/// 256 packed elements, from index `first` on: a warp's tile, of which `length` exist.
template <class T, bool kMetrics, bool kWhole, class L>
__device__ __forceinline__ void plain_tile(const L& loss, const PointwiseArgs& a, float scale, std::int64_t first,
                                           int length, ChunkSums<kMetrics>& sums, ThreadCounts& counts) {
  constexpr int V = kVector<T>, J = kLanesOfThread / V;
  const T* y_data = static_cast<const T*>(a.prediction.data) + first;
  const T* t_data = static_cast<const T*>(a.target.data) + first;
  float y[J][V] = {}, t[J][V] = {};
#pragma unroll
  for (int j = 0; j < J; ++j) {
    const int i = (j * kWarp + lane_id()) * V;
    if constexpr (kWhole) {
      load_floats<V>(y_data + i, y[j]);
      load_floats<V>(t_data + i, t[j]);
    } else {
#pragma unroll
      for (int v = 0; v < V; ++v) {
        if (i + v >= length) continue;
        y[j][v] = to_float(y_data[i + v]);
        t[j][v] = to_float(t_data[i + v]);
      }
    }
  }
#pragma unroll
  for (int j = 0; j < J; ++j) {
    const int i = (j * kWarp + lane_id()) * V;
    float value[V] = {}, gradient[V] = {};
#pragma unroll
    for (int v = 0; v < V; ++v) {
      if (!kWhole && i + v >= length) continue;
      const auto out =
          add_element<T, kMetrics>(loss, y[j][v], t[j][v], true, 1.0f, scale, first + i + v, j * V + v, sums, counts);
      value[v] = out.value;
      gradient[v] = out.gradient;
    }
    const int live = kWhole ? V : length - i;
    if (a.gradient.data) store_some<kWhole>(gradient, static_cast<T*>(a.gradient.data) + first + i, live);
    if (a.values.data) store_some<kWhole>(value, static_cast<float*>(a.values.data) + first + i, live);
  }
}

template <class L, class T, bool kMetrics>
__global__ void __launch_bounds__(kPointwiseThreads, kMetrics ? 4 : 5)
    plain_kernel(const __grid_constant__ L loss, const __grid_constant__ PointwiseArgs a) {
  const float scale = pass_scale(a.options, a.counters);
  ThreadCounts counts;
  for_each_chunk(a.size, [&](std::int64_t c, std::int64_t begin, int length) {
    ChunkSums<kMetrics> sums;
    int base = 0;
    for (; base + kLanes <= length; base += kLanes)
      plain_tile<T, kMetrics, true>(loss, a, scale, begin + base, kLanes, sums, counts);
    if (base < length) plain_tile<T, kMetrics, false>(loss, a, scale, begin + base, length - base, sums, counts);
    put_sums<kVector<T>>(a, c, sums);
  });
  finish_pointwise(a, counts);
}

}  // namespace fuselage::kernels
