// The Cauchy loss.
#pragma once

#include "fuselage/core/field.h"
#include "fuselage/core/math.h"
#include "fuselage/loss/concepts.h"

namespace fuselage::loss {

/// With d = y - t: c^2/2 log(1 + (d/c)^2), derivative d/(1 + (d/c)^2); smooth, and far away the derivative vanishes.
/// Also called Lorentzian. Beyond |d|/c = 10^8 the logarithm is 2 log(|d|/c), so that no square overflows.
struct Cauchy {
  static constexpr std::string_view name = "cauchy";
  static constexpr std::string_view formula = "c^2/2 log(1 + (d/c)^2), d = y - t";
  static constexpr std::string_view summary = "squared near the target, logarithmic in the tails";
  static constexpr Decision decision = Decision::none;
  static constexpr Domain prediction = Domain::real, target = Domain::real;
  static constexpr Budget budget{4, 6, "a product of the squares of a rounded difference and scale"};
  double c = 1;
  static void fields(auto&& field) {
    field("c", &Cauchy::c, Range{1e-9, 1e9}, "where the tail starts, in units of the target");
  }

  template <class S>
  FUSELAGE_HD ValueGrad<S> operator()(S y, S t) const {
    const S d = y - t, r = abs(d) * S(1 / c), square = (d * d) * S(1 / (c * c));
    const auto far = r > S(1e8);
    const S log_part = log1p(select(far, r, square));
    const S value = select(far, S(c * c), S(0.5 * c * c)) * log_part;
    // c^2/d, as c/(d/c).
    const S grad = select(far, copysign(S(c), d), d) / select(far, r, S(1) + square);
    return {value, grad};
  }
};

}  // namespace fuselage::loss
