// exp, log and their family for float and for vectors of floats: branch-free, every special value by select.
//
// Errors are in units in the last place of the result, the worst over all floats (docs/numerics.md has the table).
// Integers come from the bits of a float that was rounded by adding 1.5 * 2^23, never from a cast: what a cast does to
// NaN differs between machines. The shifts and sums of such bits never overflow, also for NaN.
#pragma once

#include "fuselage/core/math_basic.h"
#include "fuselage/core/scalar.h"

namespace fuselage {

namespace detail {

inline constexpr double kRound = 0x1.8p23;  // x + kRound holds round(x) in its low bits
inline constexpr double kLog2e = 0x1.715476p0, kLog2eRest = 0x1.4ae0cp-26;
inline constexpr double kLn2High = 0x1.62e43p-1, kLn2Rest = -0x1.05c61p-29;

/// c0 + c1 x + c2 x^2 + ... by Horner's rule.
template <class S>
FUSELAGE_HD S horner(S, double c0) {
  return S(c0);
}
template <class S, class... Rest>
FUSELAGE_HD S horner(S x, double c0, Rest... rest) {
  return fma(horner(x, rest...), x, S(c0));
}

/// x = n ln 2 + rest with |rest| <= 0.35, and biased = base + n.
template <class S>
struct ByLn2 {
  S biased, n, rest;
};
/// The product n * kLn2High is subtracted by one fma that is exact (both are multiples of 2^-25, the difference is
/// below 1/2), so only the small second term rounds: `rest` is good to half an ulp for any |n| < 2^13.
template <class S>
FUSELAGE_HD ByLn2<S> by_ln2(S x, S base) {
  const S biased = fma(x, S(kLog2e), base), n = biased - base;
  return {biased, n, fma(n, S(-kLn2Rest), fma(n, S(-kLn2High), x))};
}

/// (e^r - 1) / r and (2^r - 1) / r on their reduced ranges.
template <class S>
FUSELAGE_HD S exp_slope(S r) {
  return horner(r, 1.0, 0x1.fffffcp-2, 0x1.555488p-3, 0x1.555842p-5, 0x1.1240dcp-7, 0x1.6ae7e2p-10);
}
template <class S>
FUSELAGE_HD S exp2_slope(S r) {
  return horner(r, 0x1.62e432p-1, 0x1.ebfbe6p-3, 0x1.c6ada6p-5, 0x1.3b21c2p-7, 0x1.5faafep-10, 0x1.4abccap-13);
}

/// e^x 2^-n - p for `by` = by_ln2(x) and p = e^rest of floats, so that the two together are good to 2^-28: what the
/// rounding of `rest` and of the sum 1 + rest + ... took.
template <class S>
FUSELAGE_HD S exp_lost(S x, const ByLn2<S>& by, S p) {
  const S rest_low = fma(by.n, S(-kLn2Rest), fma(by.n, S(-kLn2High), x) - by.rest);
  const S tail = horner(by.rest, 0.5, 0x1.555556p-3, 0x1.5554fp-5, 0x1.1110aap-7, 0x1.6d4242p-10, 0x1.a17a5cp-13);
  return ((S(1.0) - p) + by.rest) + fma(by.rest * by.rest, tail, rest_low * p);
}

/// The float 2^(n - 127) from a number whose low bits hold n in [0, 254] (0 for n = 0).
template <class S>
FUSELAGE_HD S exponent_scale(S biased) {
  return from_bits(bits(biased) << 23);
}

/// p * 2^n for biased = kRound + 254 + n, n in [-150, 128], in two exact halves, so that only the last one rounds.
inline constexpr double kTwoHalves = kRound + 254;
template <class S>
FUSELAGE_HD Scaled<S> in_halves(S p, S biased) {
  const auto whole = bits(biased), half = whole >> 1;
  return {p * from_bits(half << 23), from_bits((whole - half) << 23)};
}
template <class S>
FUSELAGE_HD S scale_in_halves(S p, S biased) {
  const auto [high, scale] = in_halves(p, biased);
  return high * scale;
}

}  // namespace detail

/// e^x. Right in the denormal range; 0 below -103.98, +inf above 88.73; NaN stays.
template <class S>
FUSELAGE_HD S exp(S x) {
  const S inside = lesser_of(S(89.0), greater_of(S(-104.0), x));
  const auto by = detail::by_ln2(inside, S(detail::kTwoHalves));
  return detail::scale_in_halves(fma(detail::exp_slope(by.rest), by.rest, S(1.0)), by.biased);
}

/// e^x of x in [-87, 0] in two numbers, together good to 2^-28; NaN stays.
template <class S>
FUSELAGE_HD TwoPart<S> exp_in_two_parts(S x) {
  const auto by = detail::by_ln2(x, S(detail::kRound + 127));
  const S p = fma(detail::exp_slope(by.rest), by.rest, S(1.0)), scale = detail::exponent_scale(by.biased);
  return {p * scale, detail::exp_lost(x, by, p) * scale};
}

/// e^x * 2^-k for the integer k hidden in magic = 1.5 * 2^23 - k, and +0 where x < low: the building block of softmax.
/// A base that is a power of two costs nothing and, unlike exp(x - max), rounds nothing. Good where |x| <= 4200,
/// |k| <= 6100 and low >= (k - 125) ln 2, x <= (k + 127) ln 2; NaN stays (also where low is NaN), +inf gives NaN.
template <class S>
FUSELAGE_HD S exp_scaled(S x, S magic, S low) {
  const auto by = detail::by_ln2(x, magic + S(127.0));
  const S y = fma(detail::exp_slope(by.rest), by.rest, S(1.0)) * detail::exponent_scale(by.biased);
  return select(x < low, S(0.0), y);
}

/// 2^x; exact at integers.
template <class S>
FUSELAGE_HD S exp2(S x) {
  const S inside = lesser_of(S(129.0), greater_of(S(-151.0), x));
  const S base = S(detail::kTwoHalves), biased = inside + base, r = inside - (biased - base);
  return detail::scale_in_halves(fma(detail::exp2_slope(r), r, S(1.0)), biased);
}

/// e^x - 1; keeps the sign of zero, -1 at -inf.
template <class S>
FUSELAGE_HD S expm1(S x) {
  const S inside = lesser_of(S(89.0), greater_of(S(-40.0), x));
  // 2^(n-1) instead of 2^n, since n reaches 128. Near zero n = 0, and no scaling, or denormals would lose a bit.
  const S base = S(detail::kRound + 126), biased = fma(inside, S(detail::kLog2e), base);
  const auto near_zero = abs(inside) < S(0.7);
  const S n = select(near_zero, S(0.0), biased - base);
  const S r = fma(n, S(-detail::kLn2Rest), fma(n, S(-detail::kLn2High), inside));
  const S tail = detail::horner(r, 0.5, 0x1.55556p-3, 0x1.555566p-5, 0x1.11099ep-7, 0x1.6c05d4p-10, 0x1.a60c1cp-13,
                                0x1.a8e0d6p-16);
  const S p = fma(r * r, tail, r), half = detail::exponent_scale(biased), y = fma(half, p, half - S(0.5));
  return copysign(select(near_zero, p, y + y), x);
}

namespace detail {

/// A positive number as 2^k (1 + f), f in [-1/4, 1/2), f exact. `exponent` is k in the exponent field.
template <class S>
struct Split {
  decltype(bits(S(0.0))) exponent;
  S f;
};
template <class S>
FUSELAGE_HD Split<S> split(S x) {
  using I = decltype(bits(x));
  const I word = bits(abs(x)), exponent = (word - I(0x3f400000)) & I(-0x800000);
  return {exponent, from_bits(word - exponent) - S(1.0)};
}
template <class S>
FUSELAGE_HD S shifted_exponent(Split<S> s) {  // k + kRound
  return from_bits((s.exponent >> 23) + decltype(s.exponent)(0x4b400000));
}

/// The same for any positive float: denormals are scaled into the normal range first.
template <class S>
struct Power {
  S k, f;
};
template <class S>
FUSELAGE_HD Power<S> split_any(S x) {
  const auto denormal = x < S(0x1p-126);
  const auto s = split(select(denormal, x * S(0x1p23), x));
  return {shifted_exponent(s) - select(denormal, S(kRound + 23), S(kRound)), s.f};
}

/// log(1 + f) - f on [-1/4, 1/2].
template <class S>
FUSELAGE_HD S log1p_tail(S f) {
  return f * f *
         horner(f, -0.5, 0x1.5555acp-2, -0x1.000082p-2, 0x1.996734p-3, -0x1.54d70ep-3, 0x1.287cbep-3, -0x1.0e9952p-3,
                0x1.b17c68p-4, -0x1.779a3ap-5);
}

/// k ln 2 + log(1 + f): the large parts are added first, and what that rounds off goes to the small ones.
template <class S>
FUSELAGE_HD S log_sum(S k, S f) {
  const S high = k * S(0x1.62e4p-1);  // 16 bits: the product is exact
  const S sum = high + f, lost = f - (sum - high);
  return sum + (log1p_tail(f) + fma(k, S(0x1.7f7d1cp-20), lost));
}

/// What a logarithm gives at the end of its domain: -inf at the pole, NaN beyond and for NaN, +inf at +inf.
template <class S>
FUSELAGE_HD S log_ends(S y, S x, S pole) {
  const S inf = S(__builtin_inf());
  const S outside = select(x == pole, -inf, S(__builtin_nan("")));
  return select(x > pole, select(x < inf, y, x), outside);
}

}  // namespace detail

/// The natural logarithm; denormals included. -inf at zeros of both signs, NaN below.
template <class S>
FUSELAGE_HD S log(S x) {
  const auto p = detail::split_any(x);
  return detail::log_ends(detail::log_sum(p.k, p.f), x, S(0.0));
}

/// The binary logarithm; exact at powers of two.
template <class S>
FUSELAGE_HD S log2(S x) {
  const auto p = detail::split_any(x);
  const S main = p.f * S(detail::kLog2e), error = fma(p.f, S(detail::kLog2e), -main);
  const S rest = fma(detail::log1p_tail(p.f), S(detail::kLog2e), fma(p.f, S(detail::kLog2eRest), error));
  const S sum = p.k + main, lost = main - (sum - p.k);
  return detail::log_ends(sum + (rest + lost), x, S(0.0));
}

/// log(1 + x); keeps the sign of zero, -inf at -1, NaN below.
template <class S>
FUSELAGE_HD S log1p(S x) {
  using I = decltype(bits(x));
  // 1 + x chooses k only; f = x 2^-k + (2^-k - 1) comes from x itself, by one fma that is exact below 2^24.
  const auto s = detail::split(S(1.0) + x);
  const S scale = from_bits(I(0x3f800000) - s.exponent);
  const S f = select(x < S(0x1p25), fma(x, scale, scale - S(1.0)), s.f);
  const S y = detail::log_sum(detail::shifted_exponent(s) - S(detail::kRound), f);
  return copysign(detail::log_ends(y, x, S(-1.0)), x);
}

}  // namespace fuselage
