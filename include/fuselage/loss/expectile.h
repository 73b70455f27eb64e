// The expectile loss.
#pragma once

#include "fuselage/core/field.h"
#include "fuselage/core/scalar.h"
#include "fuselage/loss/concepts.h"

namespace fuselage::loss {

/// With d = y - t: w d^2, derivative 2 w d, where w = tau below the target and 1 - tau above it; smooth at y = t.
/// tau = 1/2 is half of mse. Newey and Powell, Econometrica 55 (1987).
struct Expectile {
  static constexpr std::string_view name = "expectile";
  static constexpr std::string_view formula = "(1 - tau) d^2 if d > 0 else tau d^2, d = y - t";
  static constexpr std::string_view summary = "squared error with a weight for each side";
  static constexpr Decision decision = Decision::none;
  static constexpr Domain prediction = Domain::real, target = Domain::real;
  double tau = 0.5;
  static void fields(auto&& field) {
    field("tau", &Expectile::tau, Range{0, 1, true, true}, "weight of predictions below the target");
  }

  template <class S>
  FUSELAGE_HD ValueGrad<S> operator()(S y, S t) const {
    const S d = y - t, part = d * select(d > S(0), S(1 - tau), S(tau));
    return {part * d, part + part};
  }
};

}  // namespace fuselage::loss
