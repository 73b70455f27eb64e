// pow for float, double and vectors of floats: |x|^y = 2^(y log2 |x|) with the logarithm in two numbers.
//
// The logarithm needs some ten bits more than the result, for the exponent of the result may reach 150 (or 1074) and
// its absolute error is the relative error of the result.
#pragma once

#include "fuselage/core/math_double.h"
#include "fuselage/core/math_float.h"

namespace fuselage {

namespace detail {

template <class S>
FUSELAGE_HD TwoPart<S> ordered_sum(S large, S small) {  // |large| >= |small|, or large = 0
  const S sum = large + small;
  return {sum, small - (sum - large)};
}
template <class S>
FUSELAGE_HD TwoPart<S> times(TwoPart<S> a, TwoPart<S> b) {
  const S product = a.high * b.high;
  return {product, fma(a.high, b.high, -product) + fma(a.high, b.low, a.low * b.high)};
}

/// log2(2^k (1 + f)) for f in [-1/4, 1/2), exact f; two_log2e = 2 / ln 2, third = 1/3, both in two numbers.
/// With s = f / (2 + f), z = s^2: log(1 + f) = 2 s (1 + z (1/3 + z tail(z))).
template <class S, class Tail>
FUSELAGE_HD TwoPart<S> log2_pair(S k, S f, TwoPart<S> two_log2e, TwoPart<S> third, Tail tail) {
  const TwoPart<S> bottom = ordered_sum(S(2.0), f);
  const S quotient = f / bottom.high;
  const S residue = fma(-quotient, bottom.low, fma(-quotient, bottom.high, f));
  const TwoPart<S> s = {quotient, residue / bottom.high};
  const TwoPart<S> z = times(s, s);
  TwoPart<S> slope = ordered_sum(third.high, z.high * tail(z.high));
  slope.low = slope.low + third.low;
  const TwoPart<S> bend = times(s, times(z, slope));
  TwoPart<S> sum = ordered_sum(s.high, bend.high);
  sum.low = sum.low + (s.low + bend.low);
  const TwoPart<S> scaled = times(sum, two_log2e);
  const TwoPart<S> whole = ordered_sum(k, scaled.high);
  return ordered_sum(whole.high, whole.low + scaled.low);
}

/// y times the logarithm, held inside +-limit, beyond which the power overflows or vanishes anyway.
template <class S>
FUSELAGE_HD TwoPart<S> bounded_product(S y, TwoPart<S> a, S limit) {
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

namespace detail {

/// log2 of |x|, of an ordinary x; 2^e of a bounded_product.
template <class S>
FUSELAGE_HD TwoPart<S> log2_in_two_parts(S x) {
  const auto p = split_any(abs(x));
  const TwoPart<S> two_log2e = {S(0x1.715476p1), S(0x1.4ae0cp-25)}, third = {S(0x1.555556p-2), S(-0x1.555556p-27)};
  return log2_pair(p.k, p.f, two_log2e, third, AtanhTailFloat());
}
FUSELAGE_HD TwoPart<double> log2_in_two_parts(double x) {
  const auto p = split_any(abs(x));
  return log2_pair<double>(p.k, p.f, {0x1.71547652b82fep1, 0x1.777d0ffda0d24p-55},
                           {0x1.5555555555555p-2, 0x1.5555555555555p-56}, AtanhTailDouble());
}
template <class S>
FUSELAGE_HD Scaled<S> exp2_of_two_parts(TwoPart<S> e) {
  const S base = S(kTwoHalves), biased = e.high + base, r = (e.high - (biased - base)) + e.low;
  return in_halves(fma(exp2_slope(r), r, S(1.0)), biased);
}

}  // namespace detail

/// x^y with IEEE 754's special cases: pow(x, 0) = pow(1, y) = 1 also for NaN; a negative x wants an integer y.
template <class S>
FUSELAGE_HD S pow(S x, S y) {
  const auto e = detail::bounded_product(y, detail::log2_in_two_parts(x), S(200.0));
  const auto [part, scale] = detail::exp2_of_two_parts(e);
  return detail::pow_ends(part * scale, x, y, S(0x1p23));
}
FUSELAGE_HD double pow(double x, double y) {
  const auto e = detail::bounded_product(y, detail::log2_in_two_parts(x), 1200.0);
  return detail::pow_ends(detail::exp2_pair(e.high, e.low), x, y, 0x1p52);
}

/// The power x^y of a probability, y >= 0 and finite, as losses weigh by it; NaN for a NaN in x. Of the high part alone
/// it would have y times the relative rounding of x, and of a float of y the logarithm of the power times that of y.
/// The square, which most losses take, needs no logarithm.
template <class S>
FUSELAGE_HD Scaled<S> power(TwoPart<S> x, double y) {
  const S zero = S(0.0), one = S(1.0), short_y = S(static_cast<float>(y));
  if (y == 2) return {fma(x.high, x.high, (x.high + x.high) * x.low), one};
  const S lost = y == 0 ? zero : S((y - static_cast<double>(static_cast<float>(y))) / y);
  const TwoPart<S> of_high = detail::log2_in_two_parts(x.high);
  const S more = select(x.high > S(0x1p-100), x.low / x.high, zero);  // below, x.low is itself rounded to denormals
  TwoPart<S> log2_x = detail::ordered_sum(of_high.high, fma(more, S(detail::kLog2e), of_high.low));
  log2_x.low = fma(lost, log2_x.high, log2_x.low);
  const Scaled<S> inner = detail::exp2_of_two_parts(detail::bounded_product(short_y, log2_x, S(200.0)));
  const S end = select(x.high == zero, y == 0 ? one : zero, x.high);
  return {select(x.high > zero, inner.part, end), select(x.high > zero, inner.scale, one)};
}
FUSELAGE_HD Scaled<double> power(TwoPart<double> x, double y) { return {pow(x.high + x.low, y), 1.0}; }

}  // namespace fuselage
