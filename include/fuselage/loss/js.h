// The generalised Jensen-Shannon divergence, element by element.
#pragma once

#include "fuselage/core/field.h"
#include "fuselage/core/math.h"
#include "fuselage/loss/concepts.h"
#include "fuselage/loss/log_ratio.h"

namespace fuselage::loss {

/// beta t log(t/m) + (1 - beta) y log(y/m), m = beta t + (1 - beta) y, for probabilities y and t; derivative
/// (1 - beta) log(y/m). beta = 1/2 is Jensen's and Shannon's. As Liger, so also at the ends: beta = 0 is t log(t/y),
/// and beta = 1 is y log(y/t). 0 log 0 is 0, and where y = 0 that term's derivative, which is infinite, is left out.
/// The logarithms are those of 1 + beta (t - y)/y and so on, so nothing is lost where y is near t.
struct Js {
  static constexpr std::string_view name = "js";
  static constexpr std::string_view formula = "beta t log(t/m) + (1 - beta) y log(y/m), m = beta t + (1 - beta) y";
  static constexpr std::string_view summary = "divergence that is bounded, and for beta = 1/2 symmetric";
  static constexpr Budget budget{6, 6, "two terms of either sign, each with roundings of its own"};
  static constexpr Decision decision = Decision::none;
  static constexpr Domain prediction = Domain::probability, target = Domain::probability;
  double beta = 0.5;
  static void fields(auto&& field) {
    field("beta", &Js::beta, kFraction, "0: KL of the target, 1: KL of the prediction");
  }
  FUSELAGE_HD Domain target_domain() const { return Domain::non_negative; }

  template <class S>
  FUSELAGE_HD ValueGrad<S> operator()(S y, S t) const {
    const S zero = S(0), nothing = select(y == y, zero, y);
    const auto no_y = y == zero, no_t = t == zero;
    if (beta == 0) {
      const S value = select(no_t, nothing, t * detail::log_ratio(t, y));
      return {value, select(value == value, select(no_t, nothing, -(t / y)), value)};
    }
    if (beta == 1) {
      const S log_y = detail::log_ratio(y, t);
      return {select(no_y, nothing, y * log_y), select(no_y, nothing, log_y + S(1))};
    }
    // Of denormals m would lose all digits; of tiny y and t multiples are taken, whose ratios are the same.
    const S lift = select(abs(y) + abs(t) < S(0x1p-100), S(0x1p60), S(1)), y_up = y * lift, t_up = t * lift;
    const S a = S(beta), b = S(1 - beta), m = fma(a, t_up, b * y_up), gap = abs(t_up - y_up);
    const auto up = t > y;
    const S size_t = detail::log1p_ratio(b * gap, select(up, m, t_up)),
            size_y = detail::log1p_ratio(a * gap, select(up, y_up, m));
    const S log_t = select(up, size_t, -size_t), log_y = select(up, -size_y, size_y);
    const S of_t = select(no_t, zero, a * t * log_t), value = select(no_y, of_t, fma(b * y, log_y, of_t));
    return {value, select(no_y, select(no_t, zero, -b), b * log_y)};
  }
};

}  // namespace fuselage::loss
