// The margin ranking loss.
#pragma once

#include "fuselage/core/field.h"
#include "fuselage/core/math.h"
#include "fuselage/loss/concepts.h"

namespace fuselage::loss {

/// max(0, margin - t (x1 - x2)) for two scores, of which x1 shall rank higher where t = 1, and x2 where t = -1.
/// Derivatives -t and t, 0 from the kink on. As PyTorch.
struct MarginRanking {
  static constexpr std::string_view name = "margin_ranking";
  static constexpr std::string_view formula = "max(0, margin - t (x1 - x2))";
  static constexpr std::string_view summary = "which of two scores ranks higher; targets -1 or 1";
  static constexpr Decision decision = Decision::none;
  static constexpr Domain prediction = Domain::score, second = Domain::score, target = Domain::sign;
  static constexpr Inputs inputs{"x1", "x2"};
  double margin = 0;
  static void fields(auto&& field) {
    field("margin", &MarginRanking::margin, kAnyFinite, "by how much the scores shall differ");
  }

  template <class S>
  FUSELAGE_HD ValueGrads<S> operator()(S y, S z, S t) const {
    const S rest = fma(-t, y - z, S(margin)), value = relu(rest);
    const S slope = select(rest > S(0), t, value - value);  // NaN stays
    return {value, -slope, slope};
  }
};

}  // namespace fuselage::loss
