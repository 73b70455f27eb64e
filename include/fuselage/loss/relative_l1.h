// The relative absolute error.
#pragma once

#include "fuselage/core/field.h"
#include "fuselage/core/math.h"
#include "fuselage/loss/concepts.h"

namespace fuselage::loss {

/// value |y - t| / (|y| + eps), derivative sign(y - t) (t sign(y) + eps)/(|y| + eps)^2; at y = t and at y = 0 the
/// subgradients with sign(0) = 0. With `frozen` the normaliser is taken as constant in the gradient, as tiny-cuda-nn
/// does: sign(y - t) / (|y| + eps), which is not the derivative of the value (Lehtinen et al., Noise2Noise, 2018).
struct RelativeL1 {
  static constexpr std::string_view name = "relative_l1";
  static constexpr std::string_view formula = "|y - t| / (|y| + eps)";
  static constexpr std::string_view summary = "absolute error in parts of the prediction; images of high contrast";
  static constexpr Decision decision = Decision::none;
  static constexpr Domain prediction = Domain::real, target = Domain::real;
  static constexpr Budget budget{4, 8, "the derivative is divided by the square of a rounded sum"};
  double eps = 0.01;
  bool frozen = false;
  static void fields(auto&& field) {
    field("eps", &RelativeL1::eps, kNormaliser, "added to what errors are divided by");
    field("frozen", &RelativeL1::frozen, Range{}, "the normaliser is constant in the gradient");
  }

  template <class S>
  FUSELAGE_HD ValueGrad<S> operator()(S y, S t) const {
    const S d = y - t, s = abs(y) + S(eps), part = frozen ? S(1) : fma(t, sign(y), S(eps)) / s;
    return {abs(d) / s, sign(d) * (part / s)};
  }
};

}  // namespace fuselage::loss
