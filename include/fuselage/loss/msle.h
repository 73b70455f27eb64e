// Mean squared logarithmic error.
#pragma once

#include "fuselage/core/field.h"
#include "fuselage/core/math.h"
#include "fuselage/loss/concepts.h"

namespace fuselage::loss {

/// With y and t at least `floor`: l^2, l = log(1 + y) - log(1 + t); derivative 2 l / (1 + y), and 0 where y is below
/// the floor. As Keras. |l| is log(1 + |y - t|/(1 + min(y, t))): a small difference of large numbers is not lost.
struct Msle {
  static constexpr std::string_view name = "msle";
  static constexpr std::string_view formula = "(log(1 + y) - log(1 + t))^2, y and t not below floor";
  static constexpr std::string_view summary = "mean squared error of logarithms; what counts is the ratio";
  static constexpr Decision decision = Decision::none;
  static constexpr Domain prediction = Domain::non_negative, target = Domain::non_negative;
  static constexpr Budget budget{8, 8, "a square doubles the error of the logarithm that it is of"};
  double floor = 1e-7;
  static void fields(auto&& field) {
    field("floor", &Msle::floor, kNonNegative, "what is below it counts as it, with gradient 0");
  }

  template <class S>
  FUSELAGE_HD ValueGrad<S> operator()(S y, S t) const {
    const S low = S(floor), p = greater_of(low, y), q = greater_of(low, t);
    const S d = p - q, l = log1p(abs(d) / (S(1) + lesser_of(q, p)));
    return {l * l, select(y < low, S(0), copysign(l + l, d) / (S(1) + p))};
  }
};

}  // namespace fuselage::loss
