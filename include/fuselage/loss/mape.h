// Mean absolute percentage error.
#pragma once

#include "fuselage/core/field.h"
#include "fuselage/core/math.h"
#include "fuselage/loss/concepts.h"

namespace fuselage::loss {

/// value 100 |y - t| / max(|t|, eps), derivative 100 sign(y - t) / max(|t|, eps), at y = t the subgradient 0. As Keras;
/// tiny-cuda-nn has |y - t| / (|t| + 0.01), and a slope at y = t.
struct Mape {
  static constexpr std::string_view name = "mape";
  static constexpr std::string_view formula = "100 |y - t| / max(|t|, eps)";
  static constexpr std::string_view summary = "mean absolute error in percent of the target";
  static constexpr Decision decision = Decision::none;
  static constexpr Domain prediction = Domain::real, target = Domain::real;
  double eps = 1e-7;
  static void fields(auto&& field) { field("eps", &Mape::eps, kNormaliser, "the least that errors are divided by"); }

  template <class S>
  FUSELAGE_HD ValueGrad<S> operator()(S y, S t) const {
    const S d = y - t, size = greater_of(S(eps), abs(t));
    return {abs(d) / size * S(100), sign(d) * (S(100) / size)};
  }
};

}  // namespace fuselage::loss
