// Elements of views, one by one: the general way around the fast paths.
#pragma once

#include "fuselage/core/dtype.h"
#include "fuselage/core/view.h"
#include "fuselage/loss_pass.h"

namespace fuselage::cpu {

template <class T>
FUSELAGE_HD const T* address(const ConstView& v, std::int64_t r, std::int64_t c) {
  return static_cast<const T*>(v.data) + v.row_offset(r) + c * v.col_stride;
}
template <class T>
FUSELAGE_HD T* address(const View& v, std::int64_t r, std::int64_t c) {
  return static_cast<T*>(v.data) + v.row_offset(r) + c * v.col_stride;
}

/// Element (r, c) of a view of fp32, bf16 or fp16, as a float.
FUSELAGE_HD float real_at(const ConstView& v, std::int64_t r, std::int64_t c) {
  if (v.dtype == DType::f32) return *address<float>(v, r, c);
  if (v.dtype == DType::bf16) return to_float(*address<bf16>(v, r, c));
  return to_float(*address<f16>(v, r, c));
}

/// Row r of a view of an integer type.
FUSELAGE_HD std::int64_t label_at(const ConstView& v, std::int64_t r) {
  switch (v.dtype) {
    case DType::u8: return *address<std::uint8_t>(v, r, 0);
    case DType::i8: return *address<std::int8_t>(v, r, 0);
    case DType::i16: return *address<std::int16_t>(v, r, 0);
    case DType::i32: return *address<std::int32_t>(v, r, 0);
    default: return *address<std::int64_t>(v, r, 0);
  }
}

/// What LossBatch::lengths says of row r.
FUSELAGE_HD Step step_at(const LossBatch& b, std::int64_t r) {
  if (!b.lengths.data) return {true, false};
  const std::int64_t steps = b.prediction.rows / b.lengths.rows;
  return step_of(r, steps, label_at(b.lengths, r / steps));
}

/// An optional weight (1 where there is none) and mask of output (r, c); columns count where the view has them.
FUSELAGE_HD float weight_at(const ConstView& v, std::int64_t r, std::int64_t c) {
  return v.data ? *address<float>(v, r, v.cols > 1 ? c : 0) : 1.0f;
}
FUSELAGE_HD bool kept_at(const ConstView& mask, std::int64_t r, std::int64_t c) {
  return !mask.data || *address<std::uint8_t>(mask, r, mask.cols > 1 ? c : 0) != 0;
}

}  // namespace fuselage::cpu
