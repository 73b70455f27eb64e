// Symmetric mean absolute percentage error.
#pragma once

#include "fuselage/core/field.h"
#include "fuselage/core/math.h"
#include "fuselage/loss/concepts.h"

namespace fuselage::loss {

/// value 2 |y - t| / s with s = |y| + |t| + eps, from 0 to 2. The derivative is 2 sign(y - t) (2|t| + eps)/s^2 where y
/// and t have the same sign, 2 sign(y - t) eps/s^2 where they differ: no difference is left in it that could cancel. At
/// y = t the subgradient 0; at y = 0 that of the middle, 2 sign(y - t) (|t| + eps)/s^2. The value is tiny-cuda-nn's
/// (eps = 0.02), which takes s as constant in the gradient, and has a slope at y = t.
struct Smape {
  static constexpr std::string_view name = "smape";
  static constexpr std::string_view formula = "2 |y - t| / (|y| + |t| + eps)";
  static constexpr std::string_view summary = "absolute error in parts of the mean of prediction and target";
  static constexpr Decision decision = Decision::none;
  static constexpr Domain prediction = Domain::real, target = Domain::real;
  static constexpr Budget budget{4, 8, "the derivative is divided by the square of a rounded sum"};
  double eps = 0.02;
  static void fields(auto&& field) { field("eps", &Smape::eps, kNormaliser, "added to what errors are divided by"); }

  template <class S>
  FUSELAGE_HD ValueGrad<S> operator()(S y, S t) const {
    const S d = y - t, size = abs(t), s = (abs(y) + size) + S(eps), zero = S(0);
    const auto same = ((y > zero) & (t > zero)) | ((y < zero) & (t < zero));
    const S part = select(same, size + size, select(y == zero, size, zero)) + S(eps);
    const S slope = ((part + part) / s) / s;
    return {(abs(d) + abs(d)) / s, sign(d) * slope};
  }
};

}  // namespace fuselage::loss
