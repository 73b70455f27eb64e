// The hinge loss.
#pragma once

#include "fuselage/core/field.h"
#include "fuselage/core/scalar.h"
#include "fuselage/loss/concepts.h"

namespace fuselage::loss {

/// value max(0, 1 - t y) for a score y and a label t of -1 or +1, taken as given, as Optax (in_form() makes
/// signs of zeros and ones, as Keras); derivative -t where t y < 1, the subgradient 0 at the kink t y = 1.
struct Hinge {
  static constexpr std::string_view name = "hinge";
  static constexpr std::string_view formula = "max(0, 1 - t y)";
  static constexpr std::string_view summary = "maximum margin; labels -1 and +1";
  static constexpr Decision decision = Decision::sign;
  static constexpr Domain prediction = Domain::score, target = Domain::sign;
  static void fields(auto&&) {}

  template <class S>
  FUSELAGE_HD ValueGrad<S> operator()(S y, S t) const {
    const S margin = fma(-t, y, S(1));
    const auto met = margin <= S(0);  // false for NaN, which stays NaN
    return {select(met, S(0), margin), select(met, S(0), select(margin == margin, -t, margin))};
  }
};

}  // namespace fuselage::loss
