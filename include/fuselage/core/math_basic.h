// minimum, maximum, sign and relu: exact, for float, double and vectors of floats.
//
// x86 and CUDA differ on NaN and on zeros in their min and max; these do not.
#pragma once

#include "fuselage/core/scalar.h"

namespace fuselage {

/// high + low, |low| <= ulp(high) / 2: a number and what its rounding took.
template <class S>
struct TwoPart {
  S high, low;
};
/// part * scale, of which neither is denormal where the product is.
template <class S>
struct Scaled {
  S part, scale;

  /// The product with another number, rounded as if there were no denormals where it is none.
  FUSELAGE_HD S times(S by) const { return part * by * scale; }
};
template <class S, class M>
FUSELAGE_HD TwoPart<S> select(M which, TwoPart<S> a, TwoPart<S> b) {
  return {select(which, a.high, b.high), select(which, a.low, b.low)};
}

/// IEEE 754-2019 minimum: NaN if either is NaN, and -0 < +0.
template <class S>
FUSELAGE_HD S minimum(S a, S b) {
  const S smaller = select(a == b, from_bits(bits(a) | bits(b)), select(a < b, a, b));  // NaN in b arrives here
  return select(a == a, smaller, a);
}

/// IEEE 754-2019 maximum: NaN if either is NaN, and -0 < +0.
template <class S>
FUSELAGE_HD S maximum(S a, S b) {
  const S larger = select(a == b, from_bits(bits(a) & bits(b)), select(a > b, a, b));
  return select(a == a, larger, a);
}

/// -1, +0 or 1; +0 at zeros of both signs; NaN stays NaN.
template <class S>
FUSELAGE_HD S sign(S x) {
  return select(x > S(0.0), S(1.0), select(x < S(0.0), S(-1.0), x + S(0.0)));
}

/// max(x, 0): +0 for everything that is not positive, -0 included; NaN stays NaN.
template <class S>
FUSELAGE_HD S relu(S x) {
  return greater_of(S(0.0), x) + S(0.0);
}

}  // namespace fuselage
