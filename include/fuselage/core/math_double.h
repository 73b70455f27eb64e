// The elementary functions for double: once a row or once a step, so plain rather than fast, with branches.
//
// The methods are those of math_float.h with more terms. Within 2 ulp for exp, log, log1p, expm1 and cospi, 4 for the
// rest (docs/numerics.md).
#pragma once

#include <cstdint>

#include "fuselage/core/math_logistic.h"
#include "fuselage/core/scalar.h"

namespace fuselage {

namespace detail {

inline constexpr double kRoundDouble = 0x1.8p52, kLn2Double = 0x1.62e42fefa39efp-1,
                        kLn2DoubleRest = 0x1.abc9e3b39803fp-56;
inline constexpr double kLog2eDouble = 0x1.71547652b82fep0, kLog2eDoubleRest = 0x1.777d0ffda0d24p-56;

/// e^r - 1 for |r| <= 0.35.
FUSELAGE_HD double exp_rest(double r) {
  return r * horner(r, 1.0, 0.5, 0x1.555555555555ep-3, 0x1.5555555555571p-5, 0x1.111111110e055p-7,
                    0x1.6c16c16c0681fp-10, 0x1.a01a01b7f7194p-13, 0x1.a01a02054c807p-16, 0x1.71dde56f87099p-19,
                    0x1.27e3f58b0aa61p-22, 0x1.af7dc0fedd764p-26, 0x1.20f95b33f0f84p-29);
}

/// (1 + rest) * 2^n for biased = kRoundDouble + 2046 + n, n in [-1200, 1200].
inline constexpr double kTwoHalvesDouble = kRoundDouble + 2046;
FUSELAGE_HD double scale_in_halves(double p, double biased) {
  const std::int64_t whole = bits(biased), half = whole >> 1;
  return p * from_bits(half << 52) * from_bits((whole - half) << 52);
}

/// 2^(high + low) for |high| <= 1200 and small low.
FUSELAGE_HD double exp2_pair(double high, double low) {
  const double biased = high + kTwoHalvesDouble, r = (high - (biased - kTwoHalvesDouble)) + low;
  const double t = r * kLn2Double, t_low = fma(r, kLn2Double, -t) + r * kLn2DoubleRest;
  return scale_in_halves(1 + (exp_rest(t) + t_low), biased);
}

/// A positive double as 2^k (1 + f), f in [-1/4, 1/2); of denormals too.
template <>
FUSELAGE_HD Power<double> split_any(double x) {
  const bool denormal = x < 0x1p-1022;
  const std::int64_t word = bits(abs(denormal ? x * 0x1p52 : x));
  const std::int64_t exponent = (word - 0x3fe8000000000000) & -0x10000000000000;
  const double k = from_bits((exponent >> 52) + 0x4338000000000000) - (denormal ? kRoundDouble + 52 : kRoundDouble);
  return {k, from_bits(word - exponent) - 1};
}

/// log(1 + f) - f for f in [-1/4, 1/2].
FUSELAGE_HD double log1p_tail(double f) {
  const double s = f / (2 + f), z = s * s, h = 0.5 * f * f;
  const double r = z * horner(z, 0x1.555555555554fp-1, 0x1.999999999c1c3p-2, 0x1.24924921dded8p-2, 0x1.c71c74965c59fp-3,
                              0x1.745c492b91431p-3, 0x1.3b35faeef453cp-3, 0x1.0dc7a1065eb5p-3, 0x1.1b9d087720538p-3);
  return s * (h + r) - h;
}
FUSELAGE_HD double log_sum(double k, double f) {
  const double high = k * 0x1.62e42fefa38p-1, sum = high + f, lost = f - (sum - high);
  return sum + (log1p_tail(f) + fma(k, 0x1.ef35793c7673p-45, lost));
}

}  // namespace detail

FUSELAGE_HD double exp(double x) {
  const double inside = lesser_of(710.0, greater_of(-746.0, x));
  const double biased = fma(inside, detail::kLog2eDouble, detail::kTwoHalvesDouble),
               n = biased - detail::kTwoHalvesDouble;
  const double r = fma(n, -detail::kLn2DoubleRest, fma(n, -detail::kLn2Double, inside));
  return detail::scale_in_halves(1 + detail::exp_rest(r), biased);
}

/// See the float version: the same magic = 1.5 * 2^23 - k, so that one definition serves both.
FUSELAGE_HD double exp_scaled(double x, double magic, double low) {
  const double base = detail::kRoundDouble + 1023 - (detail::kRound - magic);
  const double biased = fma(x, detail::kLog2eDouble, base), n = biased - base;
  const double r = fma(n, -detail::kLn2DoubleRest, fma(n, -detail::kLn2Double, x));
  return x < low ? 0.0 : (1 + detail::exp_rest(r)) * from_bits(bits(biased) << 52);
}

FUSELAGE_HD double exp2(double x) { return detail::exp2_pair(lesser_of(1200.0, greater_of(-1200.0, x)), 0.0); }

FUSELAGE_HD double expm1(double x) {
  if (abs(x) < 0.7) {
    const double tail =
        detail::horner(x, 0.5, 0x1.5555555555551p-3, 0x1.555555555554ep-5, 0x1.1111111111b2ep-7, 0x1.6c16c16c1887dp-10,
                       0x1.a01a019e226c7p-13, 0x1.a01a019bad2adp-16, 0x1.71de3d286cdfcp-19, 0x1.27e50057a5d8bp-22,
                       0x1.ae6037dc556e6p-26, 0x1.1ee86451f6657p-29, 0x1.641d15e37c14dp-33, 0x1.989bae6deca62p-37);
    return x == 0 ? x : fma(x * x, tail, x);
  }
  if (x > 60) return exp(x);
  const double inside = greater_of(-60.0, x), base = detail::kRoundDouble + 1023;
  const double biased = fma(inside, detail::kLog2eDouble, base), n = biased - base;
  const double r = fma(n, -detail::kLn2DoubleRest, fma(n, -detail::kLn2Double, inside));
  const double scale = from_bits(bits(biased) << 52);
  return fma(scale, detail::exp_rest(r), scale - 1);
}

FUSELAGE_HD double log(double x) {
  const auto p = detail::split_any(x);
  return detail::log_ends(detail::log_sum(p.k, p.f), x, 0.0);
}

FUSELAGE_HD double log2(double x) {
  const auto p = detail::split_any(x);
  const double main = p.f * detail::kLog2eDouble, error = fma(p.f, detail::kLog2eDouble, -main);
  const double rest = fma(detail::log1p_tail(p.f), detail::kLog2eDouble, fma(p.f, detail::kLog2eDoubleRest, error));
  const double sum = p.k + main, lost = main - (sum - p.k);
  return detail::log_ends(sum + (rest + lost), x, 0.0);
}

FUSELAGE_HD double log1p(double x) {
  if (!(x > -1) || x >= 0x1p54) return copysign(x > -1 ? log(x) : log(1 + x), x);
  const auto p = detail::split_any(1 + x);
  const double scale = from_bits(bits(detail::kRoundDouble + 1023 - p.k) << 52);
  return copysign(detail::log_sum(p.k, fma(x, scale, scale - 1)), x);
}

/// See the float version.
FUSELAGE_HD LogisticTail<double> logistic_tail(double x) {
  const double e = exp(-abs(x));
  return {e, log1p(e), e / (1 + e), 0.0};
}

FUSELAGE_HD double sigmoid(double x) {
  const double e = exp(-abs(x));
  return (x < 0 ? e : 1.0) / (1 + e);
}

FUSELAGE_HD double softplus(double x) { return greater_of(x, 0.0) + log1p(exp(-abs(x))); }

FUSELAGE_HD double tanh(double x) {
  const double m = expm1(-2 * abs(x));
  return copysign(-m / (2 + m), x);
}

FUSELAGE_HD double erf(double x) {
  const double a = abs(x);
  if (a < 0.925) {
    const double u = x * x;
    return fma(
        x,
        detail::horner(u, 0x1.06eba8214db69p-3, -0x1.812746b037a21p-2, 0x1.ce2f21a04532ap-4, -0x1.b82ce3132da09p-6,
                       0x1.565bcd246a712p-8, -0x1.c02db75d46adp-11, 0x1.f9a376391009ep-14, -0x1.f4d6b624587f7p-17,
                       0x1.ba0703c5cde8bp-20, -0x1.5f9aba67e5eedp-23, 0x1.f282fdc24195ep-27, -0x1.033aaa7bc2d9ap-30),
        x);
  }
  if (a >= 6) return copysign(1.0, x);
  // log erfc(a)
  const double q =
      a < 2.15
          ? detail::horner(a, -0x1.43459fa4b5568p-22, -0x1.20dd3c5003ce8p+0, -0x1.45f5557302f9ap-1,
                           -0x1.a4b9c492cafebp-4, 0x1.375df60f50ac8p-6, 0x1.ab885607e7e75p-12, -0x1.faea1ffcad332p-10,
                           0x1.a5fc9f17234dap-11, -0x1.672e1fb2d9708p-13, 0x1.905e3644acc41p-18, 0x1.2f3b30de96d48p-17,
                           -0x1.be6bdc5396026p-19, 0x1.4b96f7d3bfa8dp-21, -0x1.11410ddb101a8p-24, 0x1.8f28aea5de299p-29)
          : detail::horner(a, 0x1.d09ef2e207791p-12, -0x1.216ceed8b8286p+0, -0x1.4365e737a8af8p-1,
                           -0x1.c133bbffa8519p-4, 0x1.a2ab157859cfep-6, -0x1.042a1b3b1bbeep-8, 0x1.54857cd5ee2e9p-13,
                           0x1.d0c0c539ca0bap-14, -0x1.3140a13103f3fp-15, 0x1.9b754bf860a2cp-18, -0x1.52f1548be917bp-21,
                           0x1.44705e9765b6cp-25, -0x1.16c1a9f162c3p-30);
  return copysign(1 - exp(q), x);
}

/// base^n for n >= 0 by repeated squaring, least significant bit first; powi(x, 0) = 1.
FUSELAGE_HD double powi(double base, std::int64_t n) {
  double result = 1;
  for (; n > 0; n >>= 1, base *= base)
    if (n & 1) result *= base;
  return result;
}

/// The cosine of pi x: exact at multiples of 1/2 (where it is +0 between the extremes); NaN at +-inf.
FUSELAGE_HD double cospi(double x) {
  const double a = abs(x);
  if (a >= 0x1p53) return a < __builtin_inf() ? 1 : a - a;  // even integers
  // a = 2 j + i + f with i in {0, 1} and |f| <= 1/2, all exact: h - whole is the fraction of a/2.
  double whole = a * 0.5 + 0x1p52;
  whole = whole - 0x1p52;
  const double turn = a - 2 * whole;  // in [-1, 1]
  const double b = abs(turn), f = b > 0.5 ? 1 - b : b;
  const double flip = b > 0.5 ? -1 : 1;
  if (f <= 0.25) {
    const double u = f * f;
    return flip * (1 + u * detail::horner(u, -0x1.3bd3cc9be45dep+2, 0x1.03c1f081b5a4fp+2, -0x1.55d3c7e3bf5acp+0,
                                          0x1.e1f506749a724p-3, -0x1.a6d1e139009fcp-6, 0x1.f9c3d3f83aefap-10,
                                          -0x1.afee592387141p-14));
  }
  const double g = 0.5 - f, u = g * g;  // the sine of pi g
  const double bend =
      u * detail::horner(u, -0x1.4abbce625be53p+2, 0x1.466bc6775ab7ep+1, -0x1.32d2cce63b549p-1, 0x1.5078349e5937p-4,
                         -0x1.e307702157471p-8, 0x1.e909fe6f8ea4ap-12, -0x1.7434661de6b3fp-16);
  return flip * fma(g, 0x1.921fb54442d18p+1, g * (bend + 0x1.1a62633145c07p-53));
}

}  // namespace fuselage
