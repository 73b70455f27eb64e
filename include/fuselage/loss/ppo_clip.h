// The clipped objective of proximal policy optimisation.
#pragma once

#include "fuselage/core/field.h"
#include "fuselage/core/math.h"
#include "fuselage/loss/concepts.h"

namespace fuselage::loss {

/// For the log-probability y of an action, the one z that it was taken with, a constant, and its advantage t:
/// -min(r t, clamp(r, 1 - clip, 1 + clip) t), r = e^(y - z). Derivative -r t, 0 where the clamp decides: r above 1 +
/// clip with t > 0, or below 1 - clip with t < 0. Schulman et al. 2017. The difference y - z is made good beyond its
/// rounding, which the exponential would magnify.
struct PpoClip {
  static constexpr std::string_view name = "ppo_clip";
  static constexpr std::string_view formula = "-min(r t, clamp(r, 1 - clip, 1 + clip) t), r = e^(y - old)";
  static constexpr std::string_view summary = "policy gradient that stays near the policy that acted";
  static constexpr Budget budget{4, 6, "the ratio of probabilities is rounded before it is multiplied"};
  static constexpr Decision decision = Decision::none;
  static constexpr Domain prediction = Domain::log_probability, second = Domain::log_probability, target = Domain::real;
  static constexpr Inputs inputs{.second = "old_log_probability", .second_has_gradient = false};
  double clip = 0.2;
  static void fields(auto&& field) {
    field("clip", &PpoClip::clip, kPositive, "how far the ratio may leave 1 and still pull");
  }

  template <class S>
  FUSELAGE_HD ValueGrads<S> operator()(S y, S z, S t) const {
    const S zero = S(0), d = y - z, back = d - y, lost = (y - (d - back)) - (z + back);
    const S e = exp(d);
    const auto ordinary = (abs(d) < S(__builtin_inf())) & (e < S(__builtin_inf()));
    const S r = fma(e, select(ordinary, lost, zero), e);
    const S high = S(1 + clip), low = S(1 - clip), plain = -(r * t);
    const auto above = (t > zero) & (r > high), below = (t < zero) & (r < low);
    const S value = select(above, -(high * t), select(below, -(low * t), plain));
    return {value, select(above | below, zero, plain), zero};
  }
};

}  // namespace fuselage::loss
