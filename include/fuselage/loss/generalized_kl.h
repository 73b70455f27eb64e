// The generalised Kullback-Leibler divergence, of masses that need not add up to 1.
#pragma once

#include "fuselage/core/field.h"
#include "fuselage/core/math.h"
#include "fuselage/loss/concepts.h"
#include "fuselage/loss/log_ratio.h"

namespace fuselage::loss {

/// t log(t/y) - t + y for y > 0 and t >= 0, y where t = 0; derivative 1 - t/y. At least 0, and 0 where y = t. As Optax,
/// which takes log y.
struct GeneralizedKl {
  static constexpr std::string_view name = "generalized_kl";
  static constexpr std::string_view formula = "t log(t/y) - t + y";
  static constexpr std::string_view summary = "divergence of masses that need not add up to 1";
  static constexpr Decision decision = Decision::none;
  static constexpr Domain prediction = Domain::positive, target = Domain::non_negative;
  static void fields(auto&&) {}

  template <class S>
  FUSELAGE_HD ValueGrad<S> operator()(S y, S t) const {
    const auto nothing = t == S(0);
    const S value = select(nothing, y, fma(t, detail::log_ratio(t, y), y - t));
    return {value, select(value == value, select(nothing, S(1), S(1) - t / y), value)};
  }
};

}  // namespace fuselage::loss
