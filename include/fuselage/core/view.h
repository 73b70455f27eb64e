// Borrowed matrices. A view owns nothing and never outlives the call that it is passed to.
#pragma once

#include <cstdint>
#include <type_traits>

#include "fuselage/core/dtype.h"

namespace fuselage {

/// A [rows, cols] matrix somewhere in memory (of the host or of a device): element (r, c) stands `r * row_stride +
/// c * col_stride` elements after `data`. A stride of 0 broadcasts. A view without data means "not given".
template <class Void>
struct BasicView {
  Void* data = nullptr;
  DType dtype = DType::f32;
  std::int64_t rows = 0, cols = 0;
  std::int64_t row_stride = 0, col_stride = 1;

  BasicView() = default;
  BasicView(Void* d, DType t, std::int64_t r, std::int64_t c, std::int64_t row, std::int64_t col = 1)
      : data(d), dtype(t), rows(r), cols(c), row_stride(row), col_stride(col) {}
  /// A packed row-major matrix.
  template <class T>
  requires(!std::is_void_v<T> && (std::is_const_v<Void> || !std::is_const_v<T>))
      BasicView(T* d, std::int64_t r, std::int64_t c = 1)
      : BasicView(d, dtype_of<std::remove_const_t<T>>(), r, c, c) {}
  BasicView(const BasicView<void>& other) requires std::is_const_v<Void>
      : BasicView(other.data, other.dtype, other.rows, other.cols, other.row_stride, other.col_stride) {}
  BasicView(const BasicView&) = default;
  BasicView& operator=(const BasicView&) = default;

  explicit operator bool() const { return data != nullptr; }
  std::int64_t size() const { return rows * cols; }
  /// Whether the elements follow each other without gaps in row-major order.
  bool packed() const { return (cols <= 1 || col_stride == 1) && (rows <= 1 || row_stride == cols); }
};

using View = BasicView<void>;
using ConstView = BasicView<const void>;

}  // namespace fuselage
