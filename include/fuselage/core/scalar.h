// The primitive operations that every definition in fuselage is written from, for float and double.
//
// Losses, update rules, activations and the functions of math.h are templates on a scalar S. S is float, double, or
// a vector of floats of the CPU backend; a vector type brings the same names as this file, found by argument-dependent
// lookup. Besides what stands here, S offers + - * / and unary -, the six comparisons (they give a mask: bool, or a
// vector mask with & | !), and S(double), which rounds a constant to the precision of S in every lane.
//
// Everything here is one IEEE 754 operation or moves bits, so it gives the same bits on every device. Two rules keep
// it that way: code is compiled without contraction (-ffp-contract=off, -fmad=false), and fma is written out.
#pragma once

#include <cmath>
#include <cstdint>

#include "fuselage/core/hd.h"

namespace fuselage {

/// a * b + c with one rounding.
FUSELAGE_HD float fma(float a, float b, float c) { return ::fmaf(a, b, c); }
FUSELAGE_HD double fma(double a, double b, double c) { return ::fma(a, b, c); }

/// The correctly rounded square root.
FUSELAGE_HD float sqrt(float x) { return ::sqrtf(x); }
FUSELAGE_HD double sqrt(double x) { return ::sqrt(x); }

/// c ? a : b. Both sides are evaluated: guard what must not be computed by its arguments.
FUSELAGE_HD float select(bool c, float a, float b) { return c ? a : b; }
FUSELAGE_HD double select(bool c, double a, double b) { return c ? a : b; }

/// The bit pattern as a signed integer of the same width, and back. The integers have + - & | << and arithmetic >>.
FUSELAGE_HD std::int32_t bits(float x) { return __builtin_bit_cast(std::int32_t, x); }
FUSELAGE_HD std::int64_t bits(double x) { return __builtin_bit_cast(std::int64_t, x); }
FUSELAGE_HD float from_bits(std::int32_t x) { return __builtin_bit_cast(float, x); }
FUSELAGE_HD double from_bits(std::int64_t x) { return __builtin_bit_cast(double, x); }

/// |x|, by clearing the sign: |NaN| is NaN, |-0| is +0.
FUSELAGE_HD float abs(float x) { return from_bits(bits(x) & INT32_MAX); }
FUSELAGE_HD double abs(double x) { return from_bits(bits(x) & INT64_MAX); }

/// The magnitude of a with the sign of b.
FUSELAGE_HD float copysign(float a, float b) { return from_bits((bits(a) & INT32_MAX) | (bits(b) & INT32_MIN)); }
FUSELAGE_HD double copysign(double a, double b) { return from_bits((bits(a) & INT64_MAX) | (bits(b) & INT64_MIN)); }

/// a > b ? a : b, and a < b ? a : b: one instruction on x86. The second argument wins when either is NaN and when
/// both are zeros, so greater_of(x, running) and lesser_of(x, running) pass over NaN.
FUSELAGE_HD float greater_of(float a, float b) { return a > b ? a : b; }
FUSELAGE_HD double greater_of(double a, double b) { return a > b ? a : b; }
FUSELAGE_HD float lesser_of(float a, float b) { return a < b ? a : b; }
FUSELAGE_HD double lesser_of(double a, double b) { return a < b ? a : b; }

}  // namespace fuselage
