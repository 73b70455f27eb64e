// The perceptron loss.
#pragma once

#include "fuselage/core/field.h"
#include "fuselage/core/scalar.h"
#include "fuselage/loss/concepts.h"

namespace fuselage::loss {

/// value max(0, -t y) for a score y and a label t of -1 or +1, taken as given; derivative -t where t y < 0, the
/// subgradient 0 at the kink y = 0. As Optax, but for the kink. Rosenblatt, Psychological Review 65 (1958).
struct Perceptron {
  static constexpr std::string_view name = "perceptron";
  static constexpr std::string_view formula = "max(0, -t y)";
  static constexpr std::string_view summary = "only wrong decisions cost; labels -1 and +1";
  static constexpr Decision decision = Decision::sign;
  static constexpr Domain prediction = Domain::score, target = Domain::sign;
  static void fields(auto&&) {}

  template <class S>
  FUSELAGE_HD ValueGrad<S> operator()(S y, S t) const {
    const S wrong = -(t * y);
    const auto right = wrong <= S(0);  // false for NaN, which stays NaN
    return {select(right, S(0), wrong), select(right, S(0), select(wrong == wrong, -t, wrong))};
  }
};

}  // namespace fuselage::loss
