// The small passes between the matrix products of a loss over all pairs of rows (info_nce.h), and their arithmetic:
// written once here, so that backends agree to the bit.
#pragma once

#include <cstdint>
#include <variant>

#include "fuselage/batch.h"
#include "fuselage/core/scalar.h"

namespace fuselage {

/// Rows of any real type and strides into a packed fp32 matrix, each divided by its length where lengths are asked
/// for: u = x/max(|x|, eps). The square of the length is a sum of doubles in the canonical order. Masked rows become
/// zeros, of length 0, and are not looked at.
struct PackRows {
  ConstView x;               ///< [rows, cols]
  ConstView mask;            ///< optional u8 [rows, 1]
  float* packed = nullptr;   ///< [rows, cols]
  double* length = nullptr;  ///< [rows], or null: rows stay as they are
  double eps = 0;
};

/// The derivative by u, packed, becomes that by x: (g - (u.g) u)/|x|, or g/eps where |x| <= eps, 0 where eps = 0 as
/// well; the product u.g is a sum of doubles in the canonical order. Masked rows become zeros.
struct UnpackGradient {
  const float* packed = nullptr;    ///< u [rows, cols]
  const float* gradient = nullptr;  ///< g [rows, cols]
  const double* length = nullptr;   ///< [rows], or null: g as it is
  double eps = 0;
  ConstView mask;
  View out;                      ///< [rows, cols] of any real type
  LossReport* report = nullptr;  ///< its `nonfinite` grows by the elements that are not finite as stored
};

/// What comes before the products: labels, weights and the factor of all derivatives.
struct BeginPairs {
  std::int64_t rows = 0;   ///< pairs
  int sides = 1;           ///< outputs of a pair: 2 where both of its rows are anchors
  bool one_set = false;    ///< rows of both sides stand one after the other, and are each other's classes
  ConstView weight, mask;  ///< optional fp32 and u8 [rows, 1]
  ConstView upstream;      ///< optional fp32 [1, 1]
  float scale = 1;
  std::int32_t* label = nullptr;  ///< [rows], or [2 rows] for one_set; -1 for a row that does not count
  float* row_weight = nullptr;    ///< likewise
  double* sums = nullptr;         ///< [rows] of scratch
  float* factor = nullptr;        ///< [1]
  LossReport* report = nullptr;   ///< all but value and nonfinite
};

/// Similarities that take no part become -inf: of a row with itself, and with masked ones.
struct ExcludePairs {
  float* similarity = nullptr;  ///< [rows, cols]
  std::int64_t rows = 0, cols = 0;
  std::int64_t first = 0;  ///< row 0 is that of column `first`
  bool itself = false;
  ConstView mask;  ///< optional u8; column c asks row c mod mask.rows
};

/// What comes after: the values' sum, in double in the canonical order, completes the report.
struct EndPairs {
  const float* values = nullptr;  ///< [count]
  std::int64_t count = 0;
  double* sums = nullptr;  ///< [count] of scratch
  LossReport* report = nullptr;
};

using PairStep = std::variant<PackRows, UnpackGradient, BeginPairs, ExcludePairs, EndPairs>;

namespace pairs {

/// What a row is divided by; 0 for a row of zeros where eps is 0.
FUSELAGE_HD double divisor(double length, double eps) { return length > eps || length != length ? length : eps; }

FUSELAGE_HD float unit(float x, double divisor) {
  return divisor == 0 ? 0.0f : static_cast<float>(static_cast<double>(x) / divisor);
}

/// The derivative by an element of a row; `product` is u.g.
FUSELAGE_HD float derivative(float g, float u, double product, double length, double eps) {
  const double own = static_cast<double>(g), by = divisor(length, eps);
  if (by == 0) return 0.0f;
  return static_cast<float>((length <= eps ? own : own - product * static_cast<double>(u)) / by);
}

/// The class that row r is to find: its own number among the other set, or the number of its partner.
FUSELAGE_HD std::int32_t label_of(const BeginPairs& b, std::int64_t r, bool counts) {
  const std::int64_t partner = !b.one_set ? r : r < b.rows ? r + b.rows : r - b.rows;
  return counts ? static_cast<std::int32_t>(partner) : -1;
}

}  // namespace pairs
}  // namespace fuselage
