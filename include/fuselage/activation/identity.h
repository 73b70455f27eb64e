// No activation.
#pragma once

#include <string_view>

#include "fuselage/activation/concepts.h"
#include "fuselage/core/field.h"
#include "fuselage/core/math.h"

namespace fuselage::activation {

/// z itself: the last layer of a model that ends in logits.
struct Identity {
  static constexpr std::string_view name = "identity", formula = "z", summary = "no activation";
  static constexpr bool needs_input = false;
  static void fields(auto&&) {}
  template <class S>
  FUSELAGE_HD S value(S z) const {
    return z;
  }
  template <class S>
  FUSELAGE_HD S slope(S, S) const {
    return S(1);
  }
};

}  // namespace fuselage::activation
