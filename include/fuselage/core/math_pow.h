// pow for float, double and vectors of floats: |x|^y = 2^(y log2 |x|) with the logarithm in two numbers.
//
// The logarithm needs some ten bits more than the result, for the exponent of the result may reach 150 (or 1074) and
// its absolute error is the relative error of the result.
#pragma once

#include "fuselage/core/math_double.h"
#include "fuselage/core/math_float.h"

namespace fuselage {

namespace detail {

/// high + low, |low| <= ulp(high) / 2.
template <class S>
struct Pair {
  S high, low;
};
template <class S>
FUSELAGE_HD Pair<S> ordered_sum(S large, S small) {  // |large| >= |small|, or large = 0
  const S sum = large + small;
  return {sum, small - (sum - large)};
}
template <class S>
FUSELAGE_HD Pair<S> times(Pair<S> a, Pair<S> b) {
  const S product = a.high * b.high;
  return {product, fma(a.high, b.high, -product) + fma(a.high, b.low, a.low * b.high)};
}

/// log2(2^k (1 + f)) for f in [-1/4, 1/2), exact f; two_log2e = 2 / ln 2, third = 1/3, both in two numbers.
/// With s = f / (2 + f), z = s^2: log(1 + f) = 2 s (1 + z (1/3 + z tail(z))).
template <class S, class Tail>
FUSELAGE_HD Pair<S> log2_pair(S k, S f, Pair<S> two_log2e, Pair<S> third, Tail tail) {
  const Pair<S> bottom = ordered_sum(S(2.0), f);
  const S quotient = f / bottom.high;
  const S residue = fma(-quotient, bottom.low, fma(-quotient, bottom.high, f));
  const Pair<S> s = {quotient, residue / bottom.high};
  const Pair<S> z = times(s, s);
  Pair<S> slope = ordered_sum(third.high, z.high * tail(z.high));
  slope.low = slope.low + third.low;
  const Pair<S> bend = times(s, times(z, slope));
  Pair<S> sum = ordered_sum(s.high, bend.high);
  sum.low = sum.low + (s.low + bend.low);
  const Pair<S> scaled = times(sum, two_log2e);
  const Pair<S> whole = ordered_sum(k, scaled.high);
  return ordered_sum(whole.high, whole.low + scaled.low);
}

/// y times the pair, held inside +-limit, beyond which the power overflows or vanishes anyway.
template <class S>
FUSELAGE_HD Pair<S> bounded_product(S y, Pair<S> a, S limit) {
  const S product = y * a.high, low = fma(y, a.high, -product) + y * a.low;
  const S high = lesser_of(limit, greater_of(-limit, product));
  return {high, select(abs(product) < limit, low, S(0.0))};
}

/// IEEE 754's special cases of pow around `inner` = |x|^y for ordinary |x|; integers = 2^(p-1), the first number from
/// which all are integers.
template <class S>
FUSELAGE_HD S pow_ends(S inner, S x, S y, S integers) {
  const S zero = S(0.0), one = S(1.0), inf = S(__builtin_inf());
  const S a = abs(x), b = abs(y), half = b * S(0.5);
  const auto whole = (b >= integers) | ((b + integers) - integers == b);
  const auto even = (b >= integers + integers) | ((half + integers) - integers == half);
  S result = select(a == one, one, inner);
  result = select(a == zero, select(y < zero, inf, zero), result);
  result = select(a == inf, select(y < zero, zero, inf), result);
  result = select(even | !whole, result, copysign(result, x));
  result = select((x < zero) & (a < inf) & !whole, S(__builtin_nan("")), result);
  result = select((x == x) & (y == y), result, x + y);
  return select((y == zero) | (x == one), one, result);
}

}  // namespace detail

namespace detail {
/// The tails of log2_pair, atanh(s) = s + s z (1/3 + z tail(z)), for z in [0, 0.04].
struct AtanhTailFloat {
  template <class S>
  FUSELAGE_HD S operator()(S z) const {
    return horner(z, 0x1.999abep-3, 0x1.241128p-3, 0x1.ea300ep-4);
  }
};
struct AtanhTailDouble {
  FUSELAGE_HD double operator()(double z) const {
    return horner(z, 0x1.999999999a851p-3, 0x1.2492492305fd1p-3, 0x1.c71c73c2413e3p-4, 0x1.745c72cc39978p-4,
                  0x1.3b316a9261ec9p-4, 0x1.0e0acbb97201p-4, 0x1.1a092f40f722ap-4);
  }
};
}  // namespace detail

/// x^y with IEEE 754's special cases: pow(x, 0) = pow(1, y) = 1 also for NaN; a negative x wants an integer y.
template <class S>
FUSELAGE_HD S pow(S x, S y) {
  const auto p = detail::split_any(abs(x));
  const detail::Pair<S> two_log2e = {S(0x1.715476p1), S(0x1.4ae0cp-25)}, third = {S(0x1.555556p-2), S(-0x1.555556p-27)};
  const auto log2_x = detail::log2_pair(p.k, p.f, two_log2e, third, detail::AtanhTailFloat());
  const auto e = detail::bounded_product(y, log2_x, S(200.0));
  const S base = S(detail::kTwoHalves), biased = e.high + base, r = (e.high - (biased - base)) + e.low;
  return detail::pow_ends(detail::scale_in_halves(fma(detail::exp2_slope(r), r, S(1.0)), biased), x, y, S(0x1p23));
}
FUSELAGE_HD double pow(double x, double y) {
  const auto p = detail::split_any(abs(x));
  const auto log2_x =
      detail::log2_pair<double>(p.k, p.f, {0x1.71547652b82fep1, 0x1.777d0ffda0d24p-55},
                                {0x1.5555555555555p-2, 0x1.5555555555555p-56}, detail::AtanhTailDouble());
  const auto e = detail::bounded_product(y, log2_x, 1200.0);
  return detail::pow_ends(detail::exp2_pair(e.high, e.low), x, y, 0x1p52);
}

}  // namespace fuselage
