// Mean absolute error.
#pragma once

#include "fuselage/core/field.h"
#include "fuselage/core/math.h"
#include "fuselage/loss/concepts.h"

namespace fuselage::loss {

/// value |y - t|, derivative sign(y - t); at y = t the subgradient 0 (as PyTorch).
struct Mae {
  static constexpr std::string_view name = "mae";
  static constexpr std::string_view formula = "|y - t|";
  static constexpr std::string_view summary = "mean absolute error; regression that shrugs off outliers";
  static constexpr Decision decision = Decision::none;
  static constexpr Domain prediction = Domain::real, target = Domain::real;
  static void fields(auto&&) {}

  template <class S>
  FUSELAGE_HD ValueGrad<S> operator()(S y, S t) const {
    const S d = y - t;
    return {abs(d), sign(d)};
  }
};

}  // namespace fuselage::loss
