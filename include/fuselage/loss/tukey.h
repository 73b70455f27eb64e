// Tukey's biweight loss.
#pragma once

#include "fuselage/core/field.h"
#include "fuselage/core/scalar.h"
#include "fuselage/loss/concepts.h"

namespace fuselage::loss {

/// With d = y - t and u = (d/c)^2: c^2/6 (1 - (1 - u)^3) where u <= 1, constant c^2/6 beyond; derivative d (1 - u)^2,
/// and 0 beyond: what is farther than c from its target does not count. Smooth at u = 1. c = 4.685 has 95 % of the
/// efficiency of mse where the noise is Gaussian of variance 1. Beaton and Tukey, Technometrics 16 (1974). The value is
/// written c^2/6 u (3 - 3 u + u^2), which keeps small differences.
struct Tukey {
  static constexpr std::string_view name = "tukey";
  static constexpr std::string_view formula = "c^2/6 (1 - (1 - u)^3) if u <= 1 else c^2/6, u = ((y - t)/c)^2";
  static constexpr std::string_view summary = "biweight: squared near the target, constant beyond c";
  static constexpr Decision decision = Decision::none;
  static constexpr Domain prediction = Domain::real, target = Domain::real;
  static constexpr Budget budget{8, 8, "a product of the squares of a rounded difference and scale"};
  double c = 4.685;
  static void fields(auto&& field) {
    field("c", &Tukey::c, Range{1e-9, 1e9}, "where a target stops to count, in its units");
  }

  template <class S>
  FUSELAGE_HD ValueGrad<S> operator()(S y, S t) const {
    const S d = y - t, u = (d * d) * S(1 / (c * c)), rest = S(1) - u;
    const auto beyond = u > S(1);
    const S value = S(c * c / 6) * (u * fma(u, u - S(3), S(3)));
    return {select(beyond, S(c * c / 6), value), select(beyond, S(0), d * (rest * rest))};
  }
};

}  // namespace fuselage::loss
