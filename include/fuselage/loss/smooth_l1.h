// Smooth L1.
#pragma once

#include "fuselage/core/field.h"
#include "fuselage/core/math.h"
#include "fuselage/loss/concepts.h"

namespace fuselage::loss {

/// With d = y - t: d^2/(2 beta) where |d| < beta, |d| - beta/2 outside; beta = 0 is the absolute error, with the
/// subgradient 0 at y = t. As PyTorch. Girshick, Fast R-CNN (2015).
struct SmoothL1 {
  static constexpr std::string_view name = "smooth_l1";
  static constexpr std::string_view formula = "d^2/(2 beta) if |d| < beta else |d| - beta/2, d = y - t";
  static constexpr std::string_view summary = "absolute error with a rounded tip";
  static constexpr Decision decision = Decision::none;
  static constexpr Domain prediction = Domain::real, target = Domain::real;
  double beta = 1;
  static void fields(auto&& field) {
    field("beta", &SmoothL1::beta, kNonNegative, "width of the quadratic part; 0 is mae");
  }

  template <class S>
  FUSELAGE_HD ValueGrad<S> operator()(S y, S t) const {
    const S d = y - t, a = abs(d), b = S(beta);
    const S r = d / select(b > S(0), b, S(1));  // beta = 0 has no inside; the division is kept defined
    const auto inside = a < b;
    return {select(inside, S(0.5) * d * r, fma(b, S(-0.5), a)), select(inside, r, sign(d))};
  }
};

}  // namespace fuselage::loss
