// Dual numbers: a value and its derivative by one variable, carried through every operation of core/scalar.h and
// core/math.h. A formula that is a template on its scalar gives its derivative when it is called with them.
//
// Values go through the same operations as without duals, so they have the same bits; derivatives follow the rules of
// calculus, each in a form that keeps its digits where the function saturates. At a kink the derivative is that of the
// branch which the formula takes there; abs and sign have 0. What has the slope 0 adds nothing to a derivative,
// whatever it is multiplied by: a constant times infinity is not lost to 0 * inf.
#pragma once

#include "fuselage/core/hd.h"
#include "fuselage/core/math.h"
#include "fuselage/core/scalar.h"

namespace fuselage {

/// S is float, double or a vector of floats.
template <class S>
struct Dual {
  S value, slope;

  Dual() = default;
  FUSELAGE_HD Dual(S v, S s) : value(v), slope(s) {}
  /// A constant.
  FUSELAGE_HD explicit Dual(double v) : value(S(v)), slope(S(0.0)) {}

  friend FUSELAGE_HD Dual operator-(Dual a) { return {-a.value, -a.slope}; }
  friend FUSELAGE_HD Dual operator+(Dual a, Dual b) { return {a.value + b.value, a.slope + b.slope}; }
  friend FUSELAGE_HD Dual operator-(Dual a, Dual b) { return {a.value - b.value, a.slope - b.slope}; }
  friend FUSELAGE_HD Dual operator*(Dual a, Dual b) {
    return {a.value * b.value, fma(a.slope, a.factor(b.value), b.factor(a.value) * b.slope)};
  }
  friend FUSELAGE_HD Dual operator/(Dual a, Dual b) {
    const S q = a.value / b.value;
    const Dual rest{q, fma(-b.factor(q), b.slope, a.slope)};
    return {q, rest.slope / rest.divisor(b.value)};
  }
  /// x, which the slope is to be multiplied by; 0 where the slope is 0.
  FUSELAGE_HD S factor(S x) const { return select(slope == S(0.0), S(0.0), x); }
  /// x, which the slope is to be divided by; 1 where the slope is 0.
  FUSELAGE_HD S divisor(S x) const { return select(slope == S(0.0), S(1.0), x); }
  friend FUSELAGE_HD auto operator<(Dual a, Dual b) { return a.value < b.value; }
  friend FUSELAGE_HD auto operator<=(Dual a, Dual b) { return a.value <= b.value; }
  friend FUSELAGE_HD auto operator>(Dual a, Dual b) { return a.value > b.value; }
  friend FUSELAGE_HD auto operator>=(Dual a, Dual b) { return a.value >= b.value; }
  friend FUSELAGE_HD auto operator==(Dual a, Dual b) { return a.value == b.value; }
  friend FUSELAGE_HD auto operator!=(Dual a, Dual b) { return a.value != b.value; }
};

/// The variable itself.
template <class S>
FUSELAGE_HD Dual<S> variable(S x) {
  return {x, S(1.0)};
}
/// A number that does not depend on it.
template <class S>
FUSELAGE_HD Dual<S> constant(S x) {
  return {x, S(0.0)};
}

// ---- core/scalar.h -------------------------------------------------------------------------------------------------

template <class S>
FUSELAGE_HD Dual<S> fma(Dual<S> a, Dual<S> b, Dual<S> c) {
  return {fma(a.value, b.value, c.value), fma(a.slope, a.factor(b.value), fma(b.factor(a.value), b.slope, c.slope))};
}

/// Infinite slope at 0.
template <class S>
FUSELAGE_HD Dual<S> sqrt(Dual<S> a) {
  const S root = sqrt(a.value);
  return {root, S(0.5) * a.slope / a.divisor(root)};
}

template <class M, class S>
FUSELAGE_HD Dual<S> select(M c, Dual<S> a, Dual<S> b) {
  return {select(c, a.value, b.value), select(c, a.slope, b.slope)};
}

template <class S>
FUSELAGE_HD Dual<S> abs(Dual<S> a) {
  return {abs(a.value), sign(a.value) * a.slope};
}

template <class S>
FUSELAGE_HD Dual<S> copysign(Dual<S> a, Dual<S> b) {
  const S one = S(1.0), same = copysign(one, a.value) * copysign(one, b.value);
  return {copysign(a.value, b.value), same * a.slope};
}

template <class S>
FUSELAGE_HD Dual<S> greater_of(Dual<S> a, Dual<S> b) {
  return select(a > b, a, b);
}
template <class S>
FUSELAGE_HD Dual<S> lesser_of(Dual<S> a, Dual<S> b) {
  return select(a < b, a, b);
}

// ---- core/math.h ---------------------------------------------------------------------------------------------------

template <class S>
FUSELAGE_HD Dual<S> minimum(Dual<S> a, Dual<S> b) {
  return {minimum(a.value, b.value), select(a < b, a.slope, b.slope)};
}
template <class S>
FUSELAGE_HD Dual<S> maximum(Dual<S> a, Dual<S> b) {
  return {maximum(a.value, b.value), select(a > b, a.slope, b.slope)};
}
template <class S>
FUSELAGE_HD Dual<S> sign(Dual<S> a) {
  return constant(sign(a.value));
}
template <class S>
FUSELAGE_HD Dual<S> relu(Dual<S> a) {
  return {relu(a.value), select(a.value > S(0.0), a.slope, S(0.0) * a.value)};  // NaN stays NaN
}

template <class S>
FUSELAGE_HD Dual<S> exp(Dual<S> a) {
  const S e = exp(a.value);
  return {e, a.factor(e) * a.slope};
}
template <class S>
FUSELAGE_HD Dual<S> exp2(Dual<S> a) {
  const S e = exp2(a.value);
  return {e, a.factor(e) * S(0.69314718055994530942) * a.slope};
}
template <class S>
FUSELAGE_HD Dual<S> expm1(Dual<S> a) {
  return {expm1(a.value), a.factor(exp(a.value)) * a.slope};
}
template <class S>
FUSELAGE_HD Dual<S> log(Dual<S> a) {
  return {log(a.value), a.slope / a.divisor(a.value)};
}
template <class S>
FUSELAGE_HD Dual<S> log2(Dual<S> a) {
  return {log2(a.value), S(1.44269504088896340736) * a.slope / a.divisor(a.value)};
}
template <class S>
FUSELAGE_HD Dual<S> log1p(Dual<S> a) {
  return {log1p(a.value), a.slope / a.divisor(S(1.0) + a.value)};
}
/// The derivative as a product of two logistic functions: 1 - tanh^2 would lose its digits.
template <class S>
FUSELAGE_HD Dual<S> tanh(Dual<S> a) {
  const S twice = a.value + a.value;
  return {tanh(a.value), S(4.0) * sigmoid(twice) * sigmoid(-twice) * a.slope};
}
template <class S>
FUSELAGE_HD Dual<S> sigmoid(Dual<S> a) {
  const S s = sigmoid(a.value);
  return {s, s * sigmoid(-a.value) * a.slope};
}
template <class S>
FUSELAGE_HD Dual<S> softplus(Dual<S> a) {
  return {softplus(a.value), sigmoid(a.value) * a.slope};
}
template <class S>
FUSELAGE_HD Dual<S> erf(Dual<S> a) {
  return {erf(a.value), S(1.12837916709551257390) * exp(-(a.value * a.value)) * a.slope};
}
/// An exponent that does not depend on the variable adds nothing, whatever log(a) is.
template <class S>
FUSELAGE_HD Dual<S> pow(Dual<S> a, Dual<S> b) {
  const S zero = S(0.0), power = pow(a.value, b.value);
  const S by_base = select(a.slope == zero, zero, b.value * pow(a.value, b.value - S(1.0)) * a.slope);
  const S by_exponent = select(b.slope == zero, zero, power * log(a.value) * b.slope);
  return {power, by_base + by_exponent};
}

}  // namespace fuselage
