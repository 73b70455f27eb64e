// Total variation, element by element.
#pragma once

#include "fuselage/core/field.h"
#include "fuselage/core/math.h"
#include "fuselage/loss/concepts.h"

namespace fuselage::loss {

/// |y - t|/2, derivative sign(y - t)/2, 0 at y = t (Liger takes -1/2 there). The distance of two distributions is the
/// sum over their classes.
struct TotalVariation {
  static constexpr std::string_view name = "total_variation";
  static constexpr std::string_view formula = "|y - t|/2";
  static constexpr std::string_view summary = "half the absolute distance of two distributions";
  static constexpr Decision decision = Decision::none;
  static constexpr Domain prediction = Domain::real, target = Domain::real;
  static void fields(auto&&) {}

  template <class S>
  FUSELAGE_HD ValueGrad<S> operator()(S y, S t) const {
    const S d = y - t;
    return {abs(d) * S(0.5), sign(d) * S(0.5)};
  }
};

}  // namespace fuselage::loss
