// What checks of a backend's arguments ask of a view.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <numeric>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fuselage/batch.h"
#include "fuselage/core/error.h"
#include "fuselage/core/partition.h"
#include "fuselage/core/view.h"

namespace fuselage {

/// A view as messages call it.
struct Named {
  ConstView view;
  std::string_view name;
};

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
  if (static_cast<std::size_t>(v.dtype) >= std::size(detail::kDTypes))
    throw Error(Errc::bad_dtype,
                fmt::format("{} has the type {}, which there is not", name, static_cast<int>(v.dtype)));
  if (reinterpret_cast<std::uintptr_t>(v.data) % size_of(v.dtype) != 0)
    throw Error(Errc::bad_argument, fmt::format("{} begins at no multiple of the {} bytes of {}", name,
                                                size_of(v.dtype), name_of(v.dtype)));
  if (v.rows < 0 || v.cols < 0) throw Error(Errc::bad_shape, fmt::format("{} has a negative size", name));
  if (v.block < 0) throw Error(Errc::bad_shape, fmt::format("{} has blocks of {} rows", name, v.block));
  if (v.row_stride < 0 || v.col_stride < 0 || v.block_stride < 0)
    throw Error(Errc::bad_shape, fmt::format("{} has a negative stride, which is not supported", name));
  if (v.rows == 0 || v.cols == 0) return;
  constexpr std::int64_t kMost = std::int64_t{1} << 59;  // three such distances in bytes are below 2^64
  if (v.rows > kMost / v.cols)
    throw Error(Errc::bad_shape, fmt::format("{} has too many elements: {}", name, shape_text(v)));
  const std::int64_t in_block = v.block == 0 ? v.rows : std::min(v.rows, v.block);
  const std::int64_t blocks = v.block == 0 ? 1 : ceil_div(v.rows, v.block);
  const auto check = [&](std::int64_t stride, std::int64_t steps, std::string_view what) {
    if (steps > 1 && stride > kMost / steps)
      throw Error(Errc::bad_shape,
                  fmt::format("{} has the {} {}: {} such steps lead out of any memory", name, what, stride, steps));
  };
  check(v.row_stride, in_block, "row stride");
  check(v.col_stride, v.cols, "column stride");
  check(v.block_stride, blocks, "block stride");
}

/// Whether of `n` steps of `stride` and `m` of `other` two lead to the same place: n' stride = m' other.
inline bool steps_meet(std::int64_t n, std::int64_t stride, std::int64_t m, std::int64_t other) {
  if (stride == 0 || other == 0) return (stride == 0 && n > 1) || (other == 0 && m > 1);
  const std::int64_t common = std::gcd(stride, other);
  return other / common < n && stride / common < m;
}

inline std::string stride_text(const ConstView& v) {
  const bool zero = (v.rows > 1 && v.row_stride == 0) || (v.cols > 1 && v.col_stride == 0);
  if (zero || (v.block > 0 && v.block_stride == 0)) return "a stride of 0";
  const std::string text = fmt::format("the strides {} and {}", v.row_stride, v.col_stride);
  return v.block == 0 ? text : fmt::format("{}, and {} from block to block", text, v.block_stride);
}

/// Elements that are written must each have a place. Of rows in blocks, two strides at a time are looked at.
inline void require_places(const ConstView& v, std::string_view name) {
  if (v.size() == 0) return;
  const std::int64_t rows = v.block == 0 ? v.rows : std::min(v.rows, v.block);
  const std::int64_t blocks = v.block == 0 ? 1 : ceil_div(v.rows, v.block);
  if (steps_meet(rows, v.row_stride, v.cols, v.col_stride) || steps_meet(blocks, v.block_stride, rows, v.row_stride) ||
      steps_meet(blocks, v.block_stride, v.cols, v.col_stride))
    throw Error(Errc::bad_shape, fmt::format("{} has {}: elements would overwrite each other", name, stride_text(v)));
}

/// Whether two views span a byte in common.
inline bool overlap(const ConstView& a, const ConstView& b) {
  const auto [a0, a1] = extent(a);
  const auto [b0, b1] = extent(b);
  return a0 < b1 && b0 < a1;
}

/// Whether two views are columns beside each other of one matrix, with rows of the same length in memory.
inline bool side_by_side(const ConstView& a, const ConstView& b) {
  const auto bytes = [](const ConstView& v, std::int64_t elements) {
    return static_cast<std::uintptr_t>(elements) * size_of(v.dtype);
  };
  if (a.block > 0 || b.block > 0 || a.size() == 0 || b.size() == 0) return false;
  const std::uintptr_t row = bytes(a, a.row_stride), a_width = bytes(a, (a.cols - 1) * a.col_stride + 1),
                       b_width = bytes(b, (b.cols - 1) * b.col_stride + 1);
  if (row != bytes(b, b.row_stride) || a_width > row || b_width > row) return false;
  const auto a0 = reinterpret_cast<std::uintptr_t>(a.data), b0 = reinterpret_cast<std::uintptr_t>(b.data);
  const std::uintptr_t ahead = b0 >= a0 ? (b0 - a0) % row : (row - (a0 - b0) % row) % row;
  return ahead >= a_width && ahead + b_width <= row;
}

/// Whether two views may have an element in common.
inline bool meet(const ConstView& a, const ConstView& b) { return overlap(a, b) && !side_by_side(a, b); }

/// Reports as their bytes, to be compared with other memory.
template <class Report>
ConstView bytes_of(const Report* reports, std::int64_t count = 1) {
  const std::int64_t bytes = reports ? count * static_cast<std::int64_t>(sizeof *reports) : 0;
  return {reports, DType::u8, 1, bytes, bytes};
}

/// There is a report, where a device can write one, and none of the others, which a pass reads or writes, lies there.
template <class Report>
void require_report(const Report* report, const std::vector<Named>& others = {}, std::string_view name = "report",
                    std::int64_t count = 1) {
  require(report != nullptr, Errc::bad_argument, fmt::format("{} is missing", name));
  require(reinterpret_cast<std::uintptr_t>(report) % alignof(Report) == 0, Errc::bad_argument,
          fmt::format("{} begins at no multiple of {} bytes", name, alignof(Report)));
  for (const Named& other : others)
    if (other.view && overlap(bytes_of(report, count), other.view))
      throw Error(Errc::bad_argument, fmt::format("{} overlaps the {}", name, other.name));
}

/// Whether two views of one shape have the same elements at the same places.
inline bool same_places(const ConstView& a, const ConstView& b) {
  return a.data == b.data && a.dtype == b.dtype && (a.rows <= 1 || a.row_stride == b.row_stride) &&
         (a.cols <= 1 || a.col_stride == b.col_stride) && a.block == b.block &&
         (a.block == 0 || a.block_stride == b.block_stride);
}

}  // namespace fuselage
