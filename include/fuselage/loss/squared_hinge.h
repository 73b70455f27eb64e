// The squared hinge loss.
#pragma once

#include "fuselage/core/field.h"
#include "fuselage/core/scalar.h"
#include "fuselage/loss/concepts.h"

namespace fuselage::loss {

/// With m = max(0, 1 - t y): m^2, derivative -2 t m, for a score y and a label t of -1 or +1, taken as given; smooth.
/// As Keras, which also converts labels {0, 1}.
struct SquaredHinge {
  static constexpr std::string_view name = "squared_hinge";
  static constexpr std::string_view formula = "max(0, 1 - t y)^2";
  static constexpr std::string_view summary = "maximum margin, smooth; labels -1 and +1";
  static constexpr Decision decision = Decision::sign;
  static constexpr Domain prediction = Domain::score, target = Domain::sign;
  static void fields(auto&&) {}

  template <class S>
  FUSELAGE_HD ValueGrad<S> operator()(S y, S t) const {
    const S rest = fma(-t, y, S(1)), m = select(rest <= S(0), S(0), rest);  // NaN stays
    return {m * m, -(t * (m + m))};
  }
};

}  // namespace fuselage::loss
