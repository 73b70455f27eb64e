// The Gaussian error linear unit.
#pragma once

#include <string_view>

#include "fuselage/activation/concepts.h"
#include "fuselage/core/field.h"
#include "fuselage/core/math.h"

namespace fuselage::activation {

/// z Phi(z) with Phi the normal distribution function, derivative Phi(z) + z phi(z); with `tanh` the usual
/// approximation z (1 + tanh(sqrt(2/pi)(z + 0.044715 z^3)))/2 and its own derivative. Hendrycks and Gimpel (2016).
struct Gelu {
  static constexpr std::string_view name = "gelu", formula = "z Phi(z)", summary = "Gaussian error linear unit";
  static constexpr bool needs_input = true;
  bool tanh = false;
  static void fields(auto&& field) { field("tanh", &Gelu::tanh, kFraction, "the tanh approximation"); }
  template <class S>
  FUSELAGE_HD S value(S z) const {
    return z * (S(0.5) * (S(1) + (tanh ? fuselage::tanh(inner(z)) : erf(z * S(kRootHalf)))));
  }
  template <class S>
  FUSELAGE_HD S slope(S z, S) const {
    const S square = z * z;
    if (tanh) {
      const S t = fuselage::tanh(inner(z)), steep = S(kRootTwoOverPi) * fma(square, S(3 * 0.044715), S(1));
      return fma(S(0.5) * z, (S(1) - t * t) * steep, S(0.5) * (S(1) + t));
    }
    return fma(z * S(kInverseRootTwoPi), exp(S(-0.5) * square), S(0.5) * (S(1) + erf(z * S(kRootHalf))));
  }

 private:
  static constexpr double kRootHalf = 0.70710678118654752440, kRootTwoOverPi = 0.79788456080286535588,
                          kInverseRootTwoPi = 0.39894228040143267794;
  template <class S>
  FUSELAGE_HD static S inner(S z) {
    return S(kRootTwoOverPi) * fma(S(0.044715) * z * z, z, z);
  }
};

}  // namespace fuselage::activation
