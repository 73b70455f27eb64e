// The logistic function.
#pragma once

#include <string_view>

#include "fuselage/activation/concepts.h"
#include "fuselage/core/field.h"
#include "fuselage/core/math.h"

namespace fuselage::activation {

/// 1/(1 + e^-z), derivative a (1 - a).
struct Sigmoid {
  static constexpr std::string_view name = "sigmoid", formula = "1/(1 + exp(-z))", summary = "logistic function";
  static constexpr bool needs_input = false;
  static void fields(auto&&) {}
  template <class S>
  FUSELAGE_HD S value(S z) const {
    return fuselage::sigmoid(z);
  }
  template <class S>
  FUSELAGE_HD S slope(S, S a) const {
    return a * (S(1) - a);
  }
};

}  // namespace fuselage::activation
