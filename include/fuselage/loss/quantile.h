// The quantile loss.
#pragma once

#include "fuselage/core/field.h"
#include "fuselage/core/math.h"
#include "fuselage/loss/concepts.h"

namespace fuselage::loss {

/// The pinball loss: q (t - y) where y < t, (1 - q) (y - t) where y > t; derivative -q and 1 - q, at the kink y = t the
/// subgradient 0. Its mean is least at the q-quantile of the targets; q = 1/2 is half of mae.
/// Koenker and Bassett, Econometrica 46 (1978).
struct Quantile {
  static constexpr std::string_view name = "quantile";
  static constexpr std::string_view formula = "max(q (t - y), (1 - q) (y - t))";
  static constexpr std::string_view summary = "pinball loss; the q-quantile instead of the mean";
  static constexpr Decision decision = Decision::none;
  static constexpr Domain prediction = Domain::real, target = Domain::real;
  double q = 0.5;
  static void fields(auto&& field) {
    field("q", &Quantile::q, Range{0, 1, true, true}, "the quantile; above 1/2 low predictions cost");
  }

  template <class S>
  FUSELAGE_HD ValueGrad<S> operator()(S y, S t) const {
    const S d = y - t, over = S(1 - q), under = S(q);
    const auto above = d > S(0);
    const S slope = select(above, over, -under);
    return {d * slope, select(d == S(0), S(0), select(d == d, slope, d))};
  }
};

}  // namespace fuselage::loss
