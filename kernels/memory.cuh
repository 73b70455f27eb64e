// Elements of views on the device: 16 bytes at a time where memory allows it, one by one elsewhere.
#pragma once

#include <cstdint>
#include <cstring>

#include "fuselage/core/dtype.h"
#include "fuselage/core/view.h"
#include "kernels/device.cuh"

namespace fuselage::kernels {

/// The threads of the grid, and this one's number among them.
__device__ __forceinline__ std::int64_t threads_of_grid() { return static_cast<std::int64_t>(gridDim.x) * blockDim.x; }
__device__ __forceinline__ std::int64_t thread_of_grid() {
  return static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}

/// Elements of T that one 16-byte access moves.
template <class T>
inline constexpr int kVector = 16 / static_cast<int>(sizeof(T));

/// Reads N elements from an address aligned to min(16, N sizeof(T)) bytes.
template <int N, class T>
__device__ __forceinline__ void load_raw(const T* p, T (&x)[N]) {
  constexpr int kBytes = N * static_cast<int>(sizeof(T));
  if constexpr (kBytes % 16 == 0) {
#pragma unroll
    for (int i = 0; i < kBytes / 16; ++i) {
      const uint4 word = reinterpret_cast<const uint4*>(p)[i];
      memcpy(reinterpret_cast<char*>(x) + 16 * i, &word, 16);
    }
  } else if constexpr (kBytes == 8) {
    const uint2 word = *reinterpret_cast<const uint2*>(p);
    memcpy(x, &word, 8);
  } else if constexpr (kBytes == 4) {
    const unsigned word = *reinterpret_cast<const unsigned*>(p);
    memcpy(x, &word, 4);
  } else {
    static_assert(N == 1);
    x[0] = *p;
  }
}

/// Four bytes of an array.
template <int N, class T>
__device__ __forceinline__ unsigned word_of(const T (&x)[N], int i) {
  if constexpr (sizeof(T) == 4)
    return static_cast<unsigned>(bits(x[i]));
  else
    return x[2 * i].bits | static_cast<unsigned>(x[2 * i + 1].bits) << 16;
}

/// Writes N elements to global memory aligned to min(16, N sizeof(T)) bytes. The intrinsic is one instruction: a plain
/// assignment of 16 bytes is taken apart by the optimizer, and not always put together again.
template <int N, class T>
__device__ __forceinline__ void store_raw(const T (&x)[N], T* p) {
  constexpr int kBytes = N * static_cast<int>(sizeof(T));
  if constexpr (kBytes % 16 == 0) {
#pragma unroll
    for (int i = 0; i < kBytes / 16; ++i)
      __stcg(reinterpret_cast<uint4*>(p) + i,
             make_uint4(word_of(x, 4 * i), word_of(x, 4 * i + 1), word_of(x, 4 * i + 2), word_of(x, 4 * i + 3)));
  } else if constexpr (kBytes == 8) {
    __stcg(reinterpret_cast<uint2*>(p), make_uint2(word_of(x, 0), word_of(x, 1)));
  } else {
    static_assert(N == 1);
    *p = x[0];
  }
}

template <class T>
__device__ __forceinline__ float as_float(T x) {
  if constexpr (std::is_integral_v<T>)
    return static_cast<float>(x);
  else
    return to_float(x);
}

/// N elements as floats.
template <int N, class T>
__device__ __forceinline__ void load_floats(const T* p, float (&x)[N]) {
  T raw[N];
  load_raw<N>(p, raw);
#pragma unroll
  for (int v = 0; v < N; ++v) x[v] = as_float(raw[v]);
}

/// N floats, rounded to T.
template <int N, class T>
__device__ __forceinline__ void store_floats(const float (&x)[N], T* p) {
  T raw[N];
#pragma unroll
  for (int v = 0; v < N; ++v) raw[v] = from_float<T>(x[v]);
  store_raw<N>(raw, p);
}

/// A view as kernels want it. A dimension of one element has stride 0, so that it is broadcast.
template <class Void>
struct BasicPlane {
  Void* data = nullptr;
  std::int64_t row_stride = 0, col_stride = 0;
  std::int64_t block = 0, block_stride = 0;  ///< see BasicView
  DType dtype = DType::f32;
  bool vectors = false;  ///< element i of the whole pass stands i after `data`, which is 16-byte aligned
};
using Plane = BasicPlane<const void>;
using MutablePlane = BasicPlane<void>;

/// For a pass over [rows, cols].
template <class Void>
BasicPlane<Void> plane_of(const BasicView<Void>& v, std::int64_t rows, std::int64_t cols) {
  const bool aligned = reinterpret_cast<std::uintptr_t>(v.data) % 16 == 0;
  return {v.data,
          v.rows > 1 ? v.row_stride : 0,
          v.cols > 1 ? v.col_stride : 0,
          v.block,
          v.block_stride,
          v.dtype,
          aligned && v.packed() && v.rows == rows && v.cols == cols};
}

/// Where row r begins, in elements after `data`.
template <class Void>
__device__ __forceinline__ std::int64_t row_offset(const BasicPlane<Void>& p, std::int64_t r) {
  return p.block == 0 ? r * p.row_stride : r / p.block * p.block_stride + r % p.block * p.row_stride;
}

/// Calls f.template operator()<T>() for the real type `type`.
template <class F>
__device__ __forceinline__ void with_real(DType type, F&& f) {
  if (type == DType::f32)
    f.template operator()<float>();
  else if (type == DType::bf16)
    f.template operator()<bf16>();
  else
    f.template operator()<f16>();
}

__device__ __forceinline__ float real_at(const Plane& p, std::int64_t r, std::int64_t c) {
  float x = 0;
  with_real(p.dtype,
            [&]<class T>() { x = to_float(static_cast<const T*>(p.data)[row_offset(p, r) + c * p.col_stride]); });
  return x;
}

__device__ __forceinline__ std::int64_t label_at(const Plane& p, std::int64_t r) {
  const std::int64_t at = r * p.row_stride;
  switch (p.dtype) {
    case DType::u8: return static_cast<const std::uint8_t*>(p.data)[at];
    case DType::i8: return static_cast<const std::int8_t*>(p.data)[at];
    case DType::i16: return static_cast<const std::int16_t*>(p.data)[at];
    case DType::i32: return static_cast<const std::int32_t*>(p.data)[at];
    default: return static_cast<const std::int64_t*>(p.data)[at];
  }
}

/// Whether a mask of rows, where there is one, keeps row r.
__device__ __forceinline__ bool row_kept(const Plane& mask, std::int64_t r) {
  return !mask.data || static_cast<const std::uint8_t*>(mask.data)[r * mask.row_stride] != 0;
}

}  // namespace fuselage::kernels
