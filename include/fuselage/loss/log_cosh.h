// The log-cosh loss.
#pragma once

#include "fuselage/core/field.h"
#include "fuselage/core/math.h"
#include "fuselage/loss/concepts.h"

namespace fuselage::loss {

/// With d = y - t: log cosh d, derivative tanh d; smooth everywhere. As Keras and Optax.
/// Near 0 it is -log(1 - tanh^2 d)/2; beyond, (|d| - log 2) + log(1 + e^(-2|d|)), where the first term has no rounding
/// while it nearly vanishes, and nothing overflows.
struct LogCosh {
  static constexpr std::string_view name = "log_cosh";
  static constexpr std::string_view formula = "log cosh(y - t)";
  static constexpr std::string_view summary = "nearly squared near the target, nearly absolute far away";
  static constexpr Decision decision = Decision::none;
  static constexpr Domain prediction = Domain::real, target = Domain::real;
  static constexpr Budget budget{5, 4, "near 0 it is the logarithm of a rounded square of tanh"};
  static void fields(auto&&) {}

  template <class S>
  FUSELAGE_HD ValueGrad<S> operator()(S y, S t) const {
    const S d = y - t, a = abs(d), slope = tanh(d);
    const S near_zero = S(-0.5) * log1p(-(slope * slope));
    // log 2 in two parts, the first of 12 bits.
    const S beyond = (a - S(0x1.62ep-1)) + (logistic_tail(a + a).log1p_exp - S(0x1.0bfbe8e7bcd5ep-15));
    return {select(a < S(0.6), near_zero, beyond), slope};
  }
};

}  // namespace fuselage::loss
