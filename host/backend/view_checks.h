// What checks of a backend's arguments ask of a view.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "fuselage/core/error.h"
#include "fuselage/core/partition.h"
#include "fuselage/core/view.h"

namespace fuselage {

inline std::string shape_text(const ConstView& v) { return fmt::format("[{}, {}]", v.rows, v.cols); }

inline void require_shape(const ConstView& v, std::string_view name, std::int64_t rows, std::int64_t cols) {
  if (v.rows != rows || v.cols != cols)
    throw Error(Errc::bad_shape,
                fmt::format("{} has the shape {}, expected [{}, {}]", name, shape_text(v), rows, cols));
}

inline void require_type(const ConstView& v, std::string_view name, DType type) {
  if (v.dtype != type)
    throw Error(Errc::bad_dtype, fmt::format("{} is {}, expected {}", name, name_of(v.dtype), name_of(type)));
}

/// The bytes that a view spans.
inline std::pair<std::uintptr_t, std::uintptr_t> extent(const ConstView& v) {
  const auto start = reinterpret_cast<std::uintptr_t>(v.data);
  if (v.size() == 0) return {start, start};
  const std::int64_t in_block = v.block == 0 ? v.rows : std::min(v.rows, v.block);
  const std::int64_t blocks = v.block == 0 ? 1 : ceil_div(v.rows, v.block);
  const std::int64_t last =
      (blocks - 1) * v.block_stride + (in_block - 1) * v.row_stride + (v.cols - 1) * v.col_stride + 1;
  return {start, start + static_cast<std::uintptr_t>(last) * size_of(v.dtype)};
}

inline void check_strides(const ConstView& v, std::string_view name) {
  if (v.rows < 0 || v.cols < 0) throw Error(Errc::bad_shape, fmt::format("{} has a negative size", name));
  if (v.block < 0) throw Error(Errc::bad_shape, fmt::format("{} has blocks of {} rows", name, v.block));
  if (v.row_stride < 0 || v.col_stride < 0 || v.block_stride < 0)
    throw Error(Errc::bad_shape, fmt::format("{} has a negative stride, which is not supported", name));
  constexpr std::int64_t kMost = std::int64_t{1} << 59;  // three such distances in bytes are below 2^64
  const std::int64_t in_block = v.block == 0 ? v.rows : std::min(v.rows, v.block);
  if (v.rows > 0 && v.cols > 0 &&
      (v.rows > kMost / v.cols || v.row_stride > kMost / in_block || v.col_stride > kMost / v.cols ||
       (v.block > 0 && v.block_stride > kMost / ceil_div(v.rows, v.block))))
    throw Error(Errc::bad_shape, fmt::format("{} has too many elements: {}", name, shape_text(v)));
}

/// Elements that are written must each have a place.
inline void require_places(const ConstView& v, std::string_view name) {
  const bool blocks = v.block > 0 && v.rows > v.block;
  if (v.size() > 0 && ((v.cols > 1 && v.col_stride == 0) || (v.rows > 1 && v.block != 1 && v.row_stride == 0) ||
                       (blocks && v.block_stride == 0)))
    throw Error(Errc::bad_shape, fmt::format("{} has a stride of 0: elements would overwrite each other", name));
}

/// Whether two views span a byte in common.
inline bool overlap(const ConstView& a, const ConstView& b) {
  const auto [a0, a1] = extent(a);
  const auto [b0, b1] = extent(b);
  return a0 < b1 && b0 < a1;
}

/// Whether two views of one shape have the same elements at the same places.
inline bool same_places(const ConstView& a, const ConstView& b) {
  return a.data == b.data && a.dtype == b.dtype && (a.rows <= 1 || a.row_stride == b.row_stride) &&
         (a.cols <= 1 || a.col_stride == b.col_stride) && a.block == b.block &&
         (a.block == 0 || a.block_stride == b.block_stride);
}

}  // namespace fuselage
