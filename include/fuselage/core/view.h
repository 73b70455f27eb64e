// Borrowed matrices. A view owns nothing and never outlives the call that it is passed to.
#pragma once

#include <cstdint>
#include <type_traits>

#include "fuselage/core/dtype.h"
#include "fuselage/core/error.h"
#include "fuselage/core/hd.h"

namespace fuselage {

/// A [rows, cols] matrix somewhere in memory (of the host or of a device): element (r, c) stands `r * row_stride +
/// c * col_stride` elements after `data`. A stride of 0 broadcasts. A view without data means "not given".
///
/// Rows may come in blocks of `block` rows, `block_stride` elements apart: row r = o * block + i then begins at
/// o * block_stride + i * row_stride. So channels_first() sees [outer, classes, inner] as rows of classes. Losses of
/// rows take such views for predictions, dense targets and gradients.
template <class Void>
struct BasicView {
  Void* data = nullptr;
  DType dtype = DType::f32;
  std::int64_t rows = 0, cols = 0;
  std::int64_t row_stride = 0, col_stride = 1;
  std::int64_t block = 0, block_stride = 0;  ///< 0: one block

  BasicView() = default;
  BasicView(Void* d, DType t, std::int64_t r, std::int64_t c, std::int64_t row, std::int64_t col = 1)
      : data(d), dtype(t), rows(r), cols(c), row_stride(row), col_stride(col) {}
  /// A packed row-major matrix.
  template <class T>
  requires(!std::is_void_v<T> && (std::is_const_v<Void> || !std::is_const_v<T>))
      BasicView(T* d, std::int64_t r, std::int64_t c = 1)
      : BasicView(d, dtype_of<std::remove_const_t<T>>(), r, c, c) {}
  BasicView(const BasicView<void>& other) requires std::is_const_v<Void>
      : BasicView(other.data, other.dtype, other.rows, other.cols, other.row_stride, other.col_stride) {
    block = other.block;
    block_stride = other.block_stride;
  }
  BasicView(const BasicView&) = default;
  BasicView& operator=(const BasicView&) = default;

  explicit operator bool() const { return data != nullptr; }
  std::int64_t size() const { return rows * cols; }
  /// Where row r begins, in elements after `data`.
  FUSELAGE_HD std::int64_t row_offset(std::int64_t r) const {
    return block == 0 ? r * row_stride : r / block * block_stride + r % block * row_stride;
  }
  /// Whether the elements follow each other without gaps in row-major order.
  bool packed() const { return block == 0 && (cols <= 1 || col_stride == 1) && (rows <= 1 || row_stride == cols); }
};

using View = BasicView<void>;
using ConstView = BasicView<const void>;

/// A packed array [outer, classes, inner], such as NCHW with inner = H W, as outer * inner rows of `classes`: row
/// o * inner + i stands for position i of image o. Throws Error(bad_shape) for sizes below 0 or beyond 2^59.
template <class T>
auto channels_first(T* data, std::int64_t outer, std::int64_t classes, std::int64_t inner) {
  std::int64_t rows = 0, size = 0;
  if (outer < 0 || classes < 0 || inner < 0 || __builtin_mul_overflow(outer, inner, &rows) ||
      __builtin_mul_overflow(rows, classes, &size) || rows > std::int64_t{1} << 59 || size > std::int64_t{1} << 59)
    throw Error(Errc::bad_shape, "channels_first: the sizes " + std::to_string(outer) + ", " + std::to_string(classes) +
                                     ", " + std::to_string(inner) + " are negative, or their product is too large");
  using Any = BasicView<std::conditional_t<std::is_const_v<T>, const void, void>>;
  Any view(data, dtype_of<std::remove_const_t<T>>(), rows, classes, 1, inner);
  if (inner <= 1) {
    view.row_stride = classes;
    view.col_stride = 1;
  } else if (outer > 1) {
    view.block = inner;
    view.block_stride = classes * inner;
  }
  return view;
}

}  // namespace fuselage
