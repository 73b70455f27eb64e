// Tweedie negative log-likelihood.
#pragma once

#include "fuselage/core/field.h"
#include "fuselage/core/math.h"
#include "fuselage/loss/concepts.h"

namespace fuselage::loss {

namespace detail {

/// e^(k x) with the rounding of k and of the product made good: e^x to 1 ulp would have that of x at large x.
template <class S>
FUSELAGE_HD S exp_of_product(double k, S x) {
  const float short_k = static_cast<float>(k);
  const S high = S(short_k), product = high * x;
  const S low = fma(S(k - short_k), x, fma(high, x, -product));
  const S e = exp(product);
  return select(e < S(__builtin_inff()), fma(e, low, e), e);
}

}  // namespace detail

/// For t >= 0 and the logarithm y of its mean, 1 < power < 2: t e^(-(power-1) y)/(power-1) + e^((2-power) y)/(2-power),
/// derivative e^((2-power) y) - t e^(-(power-1) y). It is minus the log-density of a compound of Poisson and gamma
/// distributions, whose variance grows as mean^power, without what does not depend on y (Jorgensen 1987): amounts that
/// are often 0, such as claims and rain.
struct Tweedie {
  static constexpr std::string_view name = "tweedie";
  static constexpr std::string_view formula = "t e^(-(power-1) y)/(power-1) + e^((2-power) y)/(2-power)";
  static constexpr std::string_view summary = "amounts that are often zero; y is the log of the mean";
  static constexpr Decision decision = Decision::none;
  static constexpr Domain prediction = Domain::log_mean, target = Domain::non_negative;
  double power = 1.5;
  static void fields(auto&& field) {
    field("power", &Tweedie::power, Range{1, 2, true, true}, "variance grows as mean^power: 1 Poisson, 2 gamma");
  }

  template <class S>
  FUSELAGE_HD ValueGrad<S> operator()(S y, S t) const {
    const S fall = detail::exp_of_product(1 - power, y), rise = detail::exp_of_product(2 - power, y);
    const S part = select(t == S(0), S(0), t * fall);
    return {fma(part, S(1 / (power - 1)), rise * S(1 / (2 - power))), rise - part};
  }
};

}  // namespace fuselage::loss
