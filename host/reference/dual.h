// Dual numbers: a value and its derivatives along N directions, carried through every operation by the chain rule.
//
// The formulas of the reference are templates on the scalar. With double they give the value, with Dual the value and
// its derivatives, so no derivative is ever written down twice (or even once).
#pragma once

#include <array>
#include <cmath>
#include <cstddef>

namespace fuselage::reference {

/// value + sum_i slope[i] e_i, with e_i e_j = 0. A constant has zero slopes.
template <std::size_t N>
struct Dual {
  double value = 0;
  std::array<double, N> slope{};

  Dual() = default;
  Dual(double constant) : value(constant) {}  // NOLINT: constants mix with duals in the formulas
  /// The independent variable of direction `direction`.
  Dual(double v, std::size_t direction) : value(v) { slope[direction] = 1; }
};

/// f(x) as a dual number, from f and f' at x.value.
template <std::size_t N>
Dual<N> chain(const Dual<N>& x, double f, double derivative) {
  Dual<N> result(f);
  for (std::size_t i = 0; i < N; ++i) result.slope[i] = derivative * x.slope[i];
  return result;
}

template <std::size_t N>
Dual<N> operator-(const Dual<N>& a) {
  return chain(a, -a.value, -1);
}

template <std::size_t N>
Dual<N> operator+(const Dual<N>& a, const Dual<N>& b) {
  Dual<N> result(a.value + b.value);
  for (std::size_t i = 0; i < N; ++i) result.slope[i] = a.slope[i] + b.slope[i];
  return result;
}
template <std::size_t N>
Dual<N> operator-(const Dual<N>& a, const Dual<N>& b) {
  Dual<N> result(a.value - b.value);
  for (std::size_t i = 0; i < N; ++i) result.slope[i] = a.slope[i] - b.slope[i];
  return result;
}
template <std::size_t N>
Dual<N> operator*(const Dual<N>& a, const Dual<N>& b) {
  Dual<N> result(a.value * b.value);
  for (std::size_t i = 0; i < N; ++i) result.slope[i] = a.slope[i] * b.value + a.value * b.slope[i];
  return result;
}
template <std::size_t N>
Dual<N> operator/(const Dual<N>& a, const Dual<N>& b) {
  Dual<N> result(a.value / b.value);
  for (std::size_t i = 0; i < N; ++i) result.slope[i] = (a.slope[i] - result.value * b.slope[i]) / b.value;
  return result;
}

// A constant operand has no slope. These are overloads of their own, and not conversions, because an infinite value
// times a slope of zero would make NaN.
template <std::size_t N>
Dual<N> operator+(const Dual<N>& a, double b) {
  return chain(a, a.value + b, 1);
}
template <std::size_t N>
Dual<N> operator+(double a, const Dual<N>& b) {
  return chain(b, a + b.value, 1);
}
template <std::size_t N>
Dual<N> operator-(const Dual<N>& a, double b) {
  return chain(a, a.value - b, 1);
}
template <std::size_t N>
Dual<N> operator-(double a, const Dual<N>& b) {
  return chain(b, a - b.value, -1);
}
template <std::size_t N>
Dual<N> operator*(const Dual<N>& a, double b) {
  return chain(a, a.value * b, b);
}
template <std::size_t N>
Dual<N> operator*(double a, const Dual<N>& b) {
  return chain(b, a * b.value, a);
}
template <std::size_t N>
Dual<N> operator/(const Dual<N>& a, double b) {
  return chain(a, a.value / b, 1 / b);
}
template <std::size_t N>
Dual<N> operator/(double a, const Dual<N>& b) {
  return chain(b, a / b.value, -(a / b.value) / b.value);
}

template <std::size_t N>
Dual<N> exp(const Dual<N>& x) {
  const double e = std::exp(x.value);
  return chain(x, e, e);
}
template <std::size_t N>
Dual<N> log(const Dual<N>& x) {
  return chain(x, std::log(x.value), 1 / x.value);
}
template <std::size_t N>
Dual<N> log1p(const Dual<N>& x) {
  return chain(x, std::log1p(x.value), 1 / (1 + x.value));
}
template <std::size_t N>
Dual<N> expm1(const Dual<N>& x) {
  return chain(x, std::expm1(x.value), std::exp(x.value));
}
/// The derivative is 1 / cosh^2 and not 1 - tanh^2, which loses its digits in the tails.
template <std::size_t N>
Dual<N> tanh(const Dual<N>& x) {
  const double sech = 1 / std::cosh(x.value);
  return chain(x, std::tanh(x.value), sech * sech);
}
template <std::size_t N>
Dual<N> erfc(const Dual<N>& x) {
  constexpr double two_over_sqrt_pi = 1.12837916709551257389615890312154517;
  return chain(x, std::erfc(x.value), -two_over_sqrt_pi * std::exp(-x.value * x.value));
}
template <std::size_t N>
Dual<N> sqrt(const Dual<N>& x) {
  const double root = std::sqrt(x.value);
  return chain(x, root, 0.5 / root);
}
/// x^0 is 1, and its derivative 0, wherever x is.
template <std::size_t N>
Dual<N> pow(const Dual<N>& x, double power) {
  if (power == 0) return Dual<N>(1);
  return chain(x, std::pow(x.value, power), power * std::pow(x.value, power - 1));
}
/// The derivative of |x| is sign(x), and 0 at the kink; NaN has NaN.
template <std::size_t N>
Dual<N> abs(const Dual<N>& x) {
  const double sign = x.value > 0 ? 1 : x.value < 0 ? -1 : x.value == 0 ? 0 : x.value;
  return chain(x, std::abs(x.value), sign);
}

/// The plain number behind a scalar, for the branches of a formula.
template <std::size_t N>
double value_of(const Dual<N>& x) {
  return x.value;
}
inline double value_of(double x) { return x; }
inline long double value_of(long double x) { return x; }

}  // namespace fuselage::reference
