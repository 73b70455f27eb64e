// sigmoid, softplus, tanh and erf for float and for vectors of floats: branch-free, from one exp each.
#pragma once

#include "fuselage/core/math_float.h"

namespace fuselage {

/// What a logistic loss needs of a logit x, from one exponential and one division; with e = exp(-|x|):
///   exp        = e, in [0, 1]
///   log1p_exp  = log(1 + e):  softplus(x) = max(x, 0) + log1p_exp,  log sigmoid(x) = min(x, 0) - log1p_exp
///   sigmoid    = e / (1 + e), the sigmoid of -|x|; that of |x| is 1 - sigmoid
///   sigmoid_low: what rounding took from it, for powers of it: the two together are good to 2^-28
/// The compiler drops the parts that are not used.
template <class S>
struct LogisticTail {
  S exp, log1p_exp, sigmoid, sigmoid_low;
};

/// exp and sigmoid to 1 ulp, log1p_exp to 1.33, denormals included; all are NaN for NaN and 0 at +-inf.
template <class S>
FUSELAGE_HD LogisticTail<S> logistic_tail(S x) {
  // n is in [-150, 0]: a scale of 2^(n+24) is a normal number, and 2^-24 follows.
  const S least = greater_of(S(-104.0), -abs(x));
  const auto by = detail::by_ln2(least, S(detail::kRound + 127 + 24));
  const S slope = detail::exp_slope(by.rest), p = fma(slope, by.rest, S(1.0));
  const S scale = detail::exponent_scale(by.biased) * S(0x1p-24);
  // e + e_low is exp(-|x|) before its last rounding, w + w_low is 1 + e exactly.
  const S e = p * scale, e_low = fma(slope, by.rest, S(1.0) - p) * scale;
  const S w = S(1.0) + e, w_low = e - (w - S(1.0));
  const S inverse = fma(w, S(-0.5), S(1.457));  // 1 / w within 5 %: enough to weigh corrections with
  const S shift = e_low * inverse;
  const S quotient = e / w;
  const S residue = fma(-quotient, w_low, fma(-quotient, w, e)) + shift;
  // log(1 + e) from f = e, or beyond 0.62 as ln 2 + log(1 + f) with f = (e - 1)/2, exact: e itself would be a large
  // term that the square takes back, with the rounding of both.
  const auto large = e > S(0.62);
  const S f = select(large, fma(e, S(0.5), S(-0.5)), e), start = select(large, S(detail::kLn2High), S(0.0));
  const S bend = detail::horner(f, -0x1.fffffcp-2, 0x1.5554cap-2, -0x1.fffc28p-3, 0x1.99d51cp-3, -0x1.56e764p-3,
                                0x1.24d076p-3, -0x1.cf772ap-4, 0x1.1070a2p-4, -0x1.40255cp-6);
  const S sigmoid = fma(residue, inverse, quotient);
  const S exact = fma(w, -inverse, S(2.0)) * inverse, lost = detail::exp_lost(least, by, p) * scale;
  const S rest = fma(lost, exact, fma(-quotient, w_low, fma(-quotient, w, e)));
  return {e, start + (f + fma(f * f, bend, shift)), sigmoid, fma(rest, exact, quotient - sigmoid)};
}

/// 1 / (1 + e^-x)
template <class S>
FUSELAGE_HD S sigmoid(S x) {
  const S tail = logistic_tail(x).sigmoid;
  return select(x < S(0.0), tail, S(1.0) - tail);
}

/// log(1 + e^x)
template <class S>
FUSELAGE_HD S softplus(S x) {
  return greater_of(x, S(0.0)) + logistic_tail(x).log1p_exp;
}

/// The hyperbolic tangent; keeps the sign of zero.
template <class S>
FUSELAGE_HD S tanh(S x) {
  const S a = abs(x), u = x * x;
  const S near_zero =
      fma(a * u, detail::horner(u, -0x1.55553ep-2, 0x1.1109bep-3, -0x1.b89a78p-5, 0x1.54bfap-6, -0x1.8267e6p-8), a);
  const S beyond = fma(S(-2.0), logistic_tail(a + a).sigmoid, S(1.0));
  return copysign(select(a < S(0.59), near_zero, beyond), x);
}

/// The error function; keeps the sign of zero.
template <class S>
FUSELAGE_HD S erf(S x) {
  const S a = abs(x), u = x * x;
  const S near_zero = fma(a,
                          detail::horner(u, 0x1.06eba8p-3, -0x1.812742p-2, 0x1.ce2e24p-4, -0x1.b8137ep-6, 0x1.550216p-8,
                                         -0x1.ac63b8p-11, 0x1.63fceep-14),
                          a);
  // Beyond, 1 - exp(q(a)) with q = log erfc; from 4 on the exponential is below half an ulp of 1.
  const S t = lesser_of(S(4.0), a);
  const S q = t * detail::horner(t, -0x1.20ef1cp+0, -0x1.45328ap-1, -0x1.b3259ap-4, 0x1.8551bap-6, -0x1.dd6d66p-9,
                                 0x1.527b46p-12, -0x1.78d05p-17);
  const auto by = detail::by_ln2(q, S(detail::kRound + 127));
  const S scale = detail::exponent_scale(by.biased);
  const S beyond = (S(1.0) - scale) - scale * (detail::exp_slope(by.rest) * by.rest);
  return copysign(select(a < S(0.925), near_zero, beyond), x);
}

}  // namespace fuselage
