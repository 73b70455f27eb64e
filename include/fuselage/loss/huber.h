// The Huber loss.
#pragma once

#include "fuselage/core/field.h"
#include "fuselage/core/scalar.h"
#include "fuselage/loss/concepts.h"

namespace fuselage::loss {

/// With d = y - t: d^2/2 where |d| <= delta, delta (|d| - delta/2) outside; derivative d clipped to [-delta, delta].
/// As PyTorch, Keras and Optax. SmoothL1 with beta = delta is this divided by delta. Huber, Ann. Math. Stat. 35 (1964).
struct Huber {
  static constexpr std::string_view name = "huber";
  static constexpr std::string_view formula = "d^2/2 if |d| <= delta else delta (|d| - delta/2), d = y - t";
  static constexpr std::string_view summary = "squared near the target, absolute in the tails";
  static constexpr Decision decision = Decision::none;
  static constexpr Domain prediction = Domain::real, target = Domain::real;
  double delta = 1;
  static void fields(auto&& field) {
    field("delta", &Huber::delta, kPositive, "where the tail starts, in units of the target");
  }

  template <class S>
  FUSELAGE_HD ValueGrad<S> operator()(S y, S t) const {
    const S d = y - t, a = abs(d), q = lesser_of(S(delta), a);  // the second argument wins on NaN
    return {q * fma(q, S(-0.5), a), copysign(q, d)};
  }
};

}  // namespace fuselage::loss
