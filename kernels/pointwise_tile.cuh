// A tile of 256 elements between memory of any type and layout and floats in shared memory, where each thread finds its
// own. What is packed and aligned passes by 16 bytes; the rest one by one, neighbouring threads taking neighbours.
#pragma once

#include "kernels/pointwise_pass.cuh"

namespace fuselage::kernels {

/// The floats of a warp in shared memory: the inputs of a tile that is not direct, one after another as far as there
/// are any, then lane sums of metrics, then
/// counts of decisions.
struct WarpFloats {
  float* tile;
  unsigned inputs;  ///< a bit for each that there is

  __device__ __forceinline__ WarpFloats(const PointwiseArgs& a)
      : tile(dynamic_shared<float>() + warp_id() * floats_of_warp(a)), inputs(a.inputs) {}
  __device__ __forceinline__ bool has(int input) const { return (inputs >> input & 1u) != 0; }
  __device__ __forceinline__ float* of(int input) const {
    return tile + __popc(inputs & ((1u << input) - 1u)) * kLanes;
  }
  __device__ __forceinline__ double* metric(int m) const {
    return reinterpret_cast<double*>(tile + (__popc(inputs) + 2 * m) * kLanes);
  }
  /// What the calling thread has counted of decisions, behind the metrics: DecisionCount i at i kWarp.
  __device__ __forceinline__ unsigned* decisions(const PointwiseArgs& a) const {
    return reinterpret_cast<unsigned*>(metric(a.metric_sums)) + lane_id();
  }
};

/// Calls f.template operator()<T>() for the type of an input or output.
template <class F>
__device__ __forceinline__ void with_storage(DType type, F&& f) {
  if (type == DType::f32)
    f.template operator()<float>();
  else if (type == DType::u8)
    f.template operator()<std::uint8_t>();
  else if (type == DType::bf16)
    f.template operator()<bf16>();
  else
    f.template operator()<f16>();
}

/// A thread's share of packed memory from `data` on, by 16 bytes where T has 2 or more.
template <class T>
__device__ __forceinline__ void load_share(const T* data, const Share& at, float (&x)[kLanesOfThread]) {
  if constexpr (sizeof(T) == 4) {
    float low[4], high[4];
    load_floats<4>(data + at.first(0), low);
    load_floats<4>(data + at.first(1), high);
#pragma unroll
    for (int v = 0; v < 4; ++v) x[v] = low[v], x[4 + v] = high[v];
  } else {
    load_floats<kLanesOfThread>(data + at.first(0), x);
  }
}

template <class T>
__device__ __forceinline__ void store_share(const float (&x)[kLanesOfThread], T* data, const Share& at) {
  if constexpr (sizeof(T) == 4) {
    const float low[4] = {x[0], x[1], x[2], x[3]}, high[4] = {x[4], x[5], x[6], x[7]};
    store_floats(low, data + at.first(0));
    store_floats(high, data + at.first(1));
  } else {
    store_floats(x, data + at.first(0));
  }
}

/// Four floats of shared memory, and back.
__device__ __forceinline__ void read_four(const float* from, float (&x)[4]) {
  const float4 four = *reinterpret_cast<const float4*>(from);
  x[0] = four.x, x[1] = four.y, x[2] = four.z, x[3] = four.w;
}
__device__ __forceinline__ void write_four(const float (&x)[4], float* to) {
  *reinterpret_cast<float4*>(to) = make_float4(x[0], x[1], x[2], x[3]);
}
__device__ __forceinline__ void read_share(const float* from, const Share& at, float (&x)[kLanesOfThread]) {
  float low[4], high[4];
  read_four(from + at.first(0), low);
  read_four(from + at.first(1), high);
#pragma unroll
  for (int v = 0; v < 4; ++v) x[v] = low[v], x[4 + v] = high[v];
}
__device__ __forceinline__ void write_share(const float (&x)[kLanesOfThread], const Share& at, float* to) {
  write_four({x[0], x[1], x[2], x[3]}, to + at.first(0));
  write_four({x[4], x[5], x[6], x[7]}, to + at.first(1));
}

/// A thread's lane sums in shared memory, and back. Those of a warp lie two by two, thread by thread, so that no banks
/// meet.
__device__ __forceinline__ void read_sums(const double* from, double (&x)[kLanesOfThread]) {
#pragma unroll
  for (int v = 0; v < kLanesOfThread; v += 2) {
    const double2 two = *reinterpret_cast<const double2*>(from + v * kWarp + 2 * lane_id());
    x[v] = two.x, x[v + 1] = two.y;
  }
}
__device__ __forceinline__ void write_sums(const double (&x)[kLanesOfThread], double* to) {
#pragma unroll
  for (int v = 0; v < kLanesOfThread; v += 2)
    *reinterpret_cast<double2*>(to + v * kWarp + 2 * lane_id()) = make_double2(x[v], x[v + 1]);
}

/// The elements lane, lane + 32 ... of the tile that begins at index `first`: the offset of each in the plane.
template <class Void>
__device__ __forceinline__ void offsets_of(const PointwiseArgs& a, const BasicPlane<Void>& p, std::int64_t first,
                                           std::int64_t (&offset)[kLanesOfThread]) {
  const std::int64_t index = first + lane_id();
  std::int64_t r, c;
  if (a.size <= UINT32_MAX)  // a division of 64 bits costs four times that of 32
    r = static_cast<std::uint32_t>(index) / static_cast<std::uint32_t>(a.cols);
  else
    r = index / a.cols;
  c = index - r * a.cols;
  std::int64_t at = r * p.row_stride + c * p.col_stride;
  const std::int64_t step = a.step_rows * p.row_stride + a.step_cols * p.col_stride;
  const std::int64_t wrap = p.row_stride - a.cols * p.col_stride;
#pragma unroll
  for (int k = 0; k < kLanesOfThread; ++k) {
    offset[k] = at;
    c += a.step_cols;
    at += step;
    if (c >= a.cols) {
      c -= a.cols;
      at += wrap;
    }
  }
}

/// Reads a tile as floats.
__device__ __forceinline__ void read_tile(const PointwiseArgs& a, const Plane& p, std::int64_t first, int length,
                                          float* to) {
  float x[kLanesOfThread];
  if (p.vectors && length == kLanes) {
    const Share at(p.dtype != DType::f32);
    with_storage(p.dtype, [&]<class T>() { load_share(static_cast<const T*>(p.data) + first, at, x); });
    write_share(x, at, to);
    return;
  }
  std::int64_t offset[kLanesOfThread];
  offsets_of(a, p, first, offset);
  with_storage(p.dtype, [&]<class T>() {
    const T* data = static_cast<const T*>(p.data);
    T raw[kLanesOfThread] = {};
#pragma unroll
    for (int k = 0; k < kLanesOfThread; ++k)
      if (lane_id() + k * kWarp < length) raw[k] = data[offset[k]];
#pragma unroll
    for (int k = 0; k < kLanesOfThread; ++k) x[k] = as_float(raw[k]);
  });
#pragma unroll
  for (int k = 0; k < kLanesOfThread; ++k) to[lane_id() + k * kWarp] = x[k];
}

/// Writes a tile of floats.
__device__ __forceinline__ void write_tile(const PointwiseArgs& a, const MutablePlane& p, std::int64_t first,
                                           int length, const float* from) {
  float x[kLanesOfThread];
  if (p.vectors && length == kLanes) {
    const Share at(p.dtype != DType::f32);
    read_share(from, at, x);
    with_real(p.dtype, [&]<class T>() { store_share(x, static_cast<T*>(p.data) + first, at); });
    return;
  }
  std::int64_t offset[kLanesOfThread];
  offsets_of(a, p, first, offset);
#pragma unroll
  for (int k = 0; k < kLanesOfThread; ++k) x[k] = from[lane_id() + k * kWarp];
  with_real(p.dtype, [&]<class T>() {
    T* data = static_cast<T*>(p.data);
#pragma unroll
    for (int k = 0; k < kLanesOfThread; ++k)
      if (lane_id() + k * kWarp < length) data[offset[k]] = from_float<T>(x[k]);
  });
}

/// All inputs of a tile.
__device__ __forceinline__ void read_inputs(const PointwiseArgs& a, const WarpFloats& floats, std::int64_t first,
                                            int length) {
  __syncwarp();  // the last tile has been written
#pragma unroll 1
  for (int i = 0; i < kPointwiseInputs; ++i)
    if (floats.has(i)) read_tile(a, a.input[i], first, length, floats.of(i));
  __syncwarp();
}

/// All outputs of a tile.
__device__ __forceinline__ void write_outputs(const PointwiseArgs& a, const WarpFloats& floats, std::int64_t first,
                                              int length) {
  __syncwarp();
#pragma unroll 1
  for (int o = 0; o < kPointwiseOutputs; ++o)
    if (a.output[o].data) write_tile(a, a.output[o], first, length, floats.of(o));
}

}  // namespace fuselage::kernels
