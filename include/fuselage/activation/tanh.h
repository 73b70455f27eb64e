// The hyperbolic tangent.
#pragma once

#include <string_view>

#include "fuselage/activation/concepts.h"
#include "fuselage/core/field.h"
#include "fuselage/core/math.h"

namespace fuselage::activation {

/// tanh z, derivative 1 - a^2.
struct Tanh {
  static constexpr std::string_view name = "tanh", formula = "tanh z", summary = "hyperbolic tangent";
  static constexpr bool needs_input = false;
  static void fields(auto&&) {}
  template <class S>
  FUSELAGE_HD S value(S z) const {
    return fuselage::tanh(z);
  }
  template <class S>
  FUSELAGE_HD S slope(S, S a) const {
    return (S(1) - a) * (S(1) + a);
  }
};

}  // namespace fuselage::activation
