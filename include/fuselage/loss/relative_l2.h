// The relative squared error.
#pragma once

#include "fuselage/core/field.h"
#include "fuselage/core/scalar.h"
#include "fuselage/loss/concepts.h"

namespace fuselage::loss {

/// With d = y - t: d^2 / (y^2 + eps), derivative 2 d (t y + eps)/(y^2 + eps)^2, smooth everywhere; for |y| < 10^19,
/// where the square is finite. With `frozen` the normaliser is taken as constant in the gradient, as tiny-cuda-nn does:
/// 2 d / (y^2 + eps), which is not the derivative of the value (Lehtinen et al., Noise2Noise, 2018).
struct RelativeL2 {
  static constexpr std::string_view name = "relative_l2";
  static constexpr std::string_view formula = "(y - t)^2 / (y^2 + eps)";
  static constexpr std::string_view summary = "squared error in parts of the prediction; images of high contrast";
  static constexpr Decision decision = Decision::none;
  static constexpr Domain prediction = Domain::real, target = Domain::real;
  static constexpr Budget budget{8, 8, "the derivative is divided by the square of a rounded sum"};
  double eps = 0.01;
  bool frozen = false;
  static void fields(auto&& field) {
    field("eps", &RelativeL2::eps, kNormaliser, "added to what errors are divided by");
    field("frozen", &RelativeL2::frozen, Range{}, "the normaliser is constant in the gradient");
  }

  template <class S>
  FUSELAGE_HD ValueGrad<S> operator()(S y, S t) const {
    const S d = y - t, s = fma(y, y, S(eps)), slope = (d + d) / s;
    const S part = frozen ? S(1) : fma(t, y, S(eps)) / s;
    return {d * d / s, slope * part};
  }
};

}  // namespace fuselage::loss
