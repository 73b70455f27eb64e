// Tiles of a matrix as floats, and back: conversion of storage types and strides, 256 elements at a time.
#pragma once

#include <type_traits>

#include "fuselage/core/dtype.h"
#include "fuselage/core/simd.h"
#include "fuselage/core/view.h"
#include "fuselage/tile.h"

namespace fuselage::cpu {

/// A view seen from a pass over [rows, cols]: element i is (i / cols, i % cols). Columns count where the view has them.
template <class Void>
struct Plane {
  Void* data = nullptr;
  DType dtype = DType::f32;
  std::int64_t cols = 1, row_stride = 0, col_stride = 0;
  bool packed = false;  ///< element i stands i elements after data

  Plane() = default;
  FUSELAGE_HD Plane(const BasicView<Void>& v, std::int64_t pass_cols)
      : data(v.data),
        dtype(v.dtype),
        cols(pass_cols),
        row_stride(v.row_stride),
        col_stride(v.cols > 1 ? v.col_stride : 0),
        packed(v.data && v.packed() && v.cols == pass_cols) {}

  /// The elements themselves from element `first` on, where the plane is packed fp32, bf16 or fp16; else null.
  FUSELAGE_HD TileArray<Void> there(std::int64_t first) const {
    using Byte = std::conditional_t<std::is_const_v<Void>, const char, char>;
    if (!packed || !is_real(dtype)) return {nullptr, dtype};
    return {static_cast<Byte*>(data) + (first << (dtype == DType::f32 ? 2 : 1)), dtype};
  }
  /// Whether there() says where a plane stands that is given.
  FUSELAGE_HD bool packed_or_absent() const { return !data || (packed && is_real(dtype)); }
};

using InputPlane = Plane<const void>;
using OutputPlane = Plane<void>;

/// Calls f(index in the tile, offset in the plane, stride, length) for each run of elements [first, first + n).
template <class Void, class F>
FUSELAGE_HD void for_each_run(const Plane<Void>& p, std::int64_t first, int n, F&& f) {
  if (p.packed) return f(0, first, std::int64_t{1}, n);
  if (p.cols == 1) return f(0, first * p.row_stride, p.row_stride, n);
  std::int64_t r = first / p.cols, c = first % p.cols;
  for (int i = 0; i < n;) {
    const int length = static_cast<int>(p.cols - c < n - i ? p.cols - c : n - i);
    f(i, r * p.row_stride + c * p.col_stride, p.col_stride, length);
    i += length;
    ++r, c = 0;
  }
}

template <class T>
FUSELAGE_HD float number(T x) {
  if constexpr (sizeof(T) == 1)
    return static_cast<float>(x);
  else
    return to_float(x);
}

template <class V, class T>
void read_run(const T* from, std::int64_t stride, int n, float* to) {
  using S = Simd<V>;
  constexpr int kAhead = 1024 / sizeof(T);
  int i = 0;
  if (stride == 1)
    for (; i + S::kWidth <= n; i += S::kWidth) {
      if (i * sizeof(T) % 64 == 0) __builtin_prefetch(from + i + kAhead, 0, 3);
      store_raw(S::load(from + i), to + i);
    }
  for (; i < n; ++i) to[i] = number(from[i * stride]);
}

template <class V, class T>
void write_run(const float* from, int n, T* to, std::int64_t stride) {
  using S = Simd<V>;
  int i = 0;
  if (stride == 1)
    for (; i + S::kWidth <= n; i += S::kWidth) store(S::load(from + i), to + i);
  for (; i < n; ++i) to[i * stride] = from_float<T>(from[i]);
}

/// Elements [first, first + n) of a plane of fp32, bf16, fp16 or u8, as floats.
template <class V>
void read_tile(const InputPlane& p, std::int64_t first, int n, float* to) {
  const auto read = [&]<class T>(const T* data) {
    for_each_run(p, first, n, [&](int i, std::int64_t offset, std::int64_t stride, int length) {
      read_run<V>(data + offset, stride, length, to + i);
    });
  };
  switch (p.dtype) {
    case DType::f32: return read(static_cast<const float*>(p.data));
    case DType::bf16: return read(static_cast<const bf16*>(p.data));
    case DType::f16: return read(static_cast<const f16*>(p.data));
    default: return read(static_cast<const std::uint8_t*>(p.data));
  }
}

/// Writes n floats to elements from `first` on.
template <class V>
void write_tile(const float* from, std::int64_t first, int n, const OutputPlane& p) {
  const auto write = [&]<class T>(T* data) {
    for_each_run(p, first, n, [&](int i, std::int64_t offset, std::int64_t stride, int length) {
      write_run<V>(from + i, length, data + offset, stride);
    });
  };
  switch (p.dtype) {
    case DType::f32: return write(static_cast<float*>(p.data));
    case DType::bf16: return write(static_cast<bf16*>(p.data));
    default: return write(static_cast<f16*>(p.data));
  }
}

}  // namespace fuselage::cpu
