// The rectifier.
#pragma once

#include <string_view>

#include "fuselage/activation/concepts.h"
#include "fuselage/core/field.h"
#include "fuselage/core/math.h"

namespace fuselage::activation {

/// max(z, 0), derivative 0 at 0 (as PyTorch); NaN stays NaN.
struct Relu {
  static constexpr std::string_view name = "relu", formula = "max(z, 0)", summary = "rectified linear unit";
  static constexpr bool needs_input = false;
  static void fields(auto&&) {}
  template <class S>
  FUSELAGE_HD S value(S z) const {
    return relu(z);
  }
  template <class S>
  FUSELAGE_HD S slope(S, S a) const {
    return select(a > S(0), S(1), select(a == a, S(0), a));
  }
};

}  // namespace fuselage::activation
