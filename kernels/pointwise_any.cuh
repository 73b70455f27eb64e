// Pointwise losses with every option and layout: weights, masks, mixed types, strides. Groups of 4 elements pass by 16
// bytes where their memory allows it, one by one elsewhere.
#pragma once

#include "kernels/pointwise_pass.cuh"

namespace fuselage::kernels {

/// Where a group of elements stands; only the first `live` of them exist.
struct Group {
  std::int64_t index, row, col;
  int live;
};
inline constexpr int kGroup = 4;

__device__ __forceinline__ Group group_at(const PointwiseArgs& a, std::int64_t index, int left) {
  Group at{index, 0, 0, left < kGroup ? left : kGroup};
  if (a.size <= UINT32_MAX)  // a division of 64 bits costs four times that of 32
    at.row = static_cast<std::uint32_t>(index) / static_cast<std::uint32_t>(a.cols);
  else
    at.row = index / a.cols;
  at.col = index - at.row * a.cols;
  return at;
}

/// Calls f(v, offset in the plane) for the group's elements.
template <class Void, class F>
__device__ __forceinline__ void walk(const BasicPlane<Void>& p, const Group& at, std::int64_t cols, F&& f) {
  std::int64_t r = at.row, c = at.col;
#pragma unroll
  for (int v = 0; v < kGroup; ++v) {
    if (v < at.live) f(v, r * p.row_stride + c * p.col_stride);
    if (++c == cols) {
      c = 0;
      ++r;
    }
  }
}

template <class T>
__device__ __forceinline__ void load_group(const Plane& p, const Group& at, std::int64_t cols, float (&x)[kGroup]) {
  const T* data = static_cast<const T*>(p.data);
  if (p.vectors && at.live == kGroup)
    load_floats<kGroup>(data + at.index, x);
  else
    walk(p, at, cols, [&](int v, std::int64_t offset) { x[v] = as_float(data[offset]); });
}

template <class T>
__device__ __forceinline__ void store_group(const MutablePlane& p, const Group& at, std::int64_t cols,
                                            const float (&x)[kGroup]) {
  T* data = static_cast<T*>(p.data);
  if (p.vectors && at.live == kGroup)
    store_floats(x, data + at.index);
  else
    walk(p, at, cols, [&](int v, std::int64_t offset) { data[offset] = from_float<T>(x[v]); });
}

/// A group with every option; j is its place among the thread's lane sums.
template <class T, class L>
__device__ __forceinline__ void any_group(const L& loss, const PointwiseArgs& a, float scale, const Group& at, int j,
                                          ChunkSums<true>& sums, ThreadCounts& counts) {
  float y[kGroup] = {}, t[kGroup] = {}, w[kGroup] = {1, 1, 1, 1}, mask[kGroup] = {1, 1, 1, 1};
  float upstream[kGroup] = {};
  load_group<T>(a.prediction, at, a.cols, y);
  if (a.target.dtype == DType::f32)
    load_group<float>(a.target, at, a.cols, t);
  else
    load_group<T>(a.target, at, a.cols, t);
  if (a.weight.data) load_group<float>(a.weight, at, a.cols, w);
  if (a.mask.data) load_group<std::uint8_t>(a.mask, at, a.cols, mask);
  if (a.upstream.data) load_group<float>(a.upstream, at, a.cols, upstream);
#pragma unroll
  for (int v = 0; v < kGroup; ++v) {
    if (v >= at.live) continue;
    float factor = w[v] * scale;
    if (a.upstream.data) factor = factor * upstream[v];
    const auto out =
        add_element<T, true>(loss, y[v], t[v], mask[v] > 0, w[v], factor, at.index + v, j * kGroup + v, sums, counts);
    y[v] = out.value;
    t[v] = out.gradient;
  }
  if (a.gradient.data) store_group<T>(a.gradient, at, a.cols, t);
  if (a.values.data) store_group<float>(a.values, at, a.cols, y);
}

template <class L, class T>
__global__ void __launch_bounds__(kPointwiseThreads, 4)
    any_kernel(const __grid_constant__ L loss, const __grid_constant__ PointwiseArgs a) {
  const float scale = pass_scale(a.options, a.counters);
  ThreadCounts counts;
  for_each_chunk(a.size, [&](std::int64_t c, std::int64_t begin, int length) {
    ChunkSums<true> sums;
    for (int base = 0; base < length; base += kLanes)
#pragma unroll
      for (int j = 0; j < kLanesOfThread / kGroup; ++j) {
        const int i = base + (j * kWarp + lane_id()) * kGroup;
        if (i < length) any_group<T>(loss, a, scale, group_at(a, begin + i, length - i), j, sums, counts);
      }
    put_sums<kGroup>(a, c, sums);
  });
  finish_pointwise(a, counts);
}

}  // namespace fuselage::kernels
