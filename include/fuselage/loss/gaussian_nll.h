// Gaussian negative log-likelihood, of a mean and a variance.
#pragma once

#include "fuselage/core/field.h"
#include "fuselage/core/math.h"
#include "fuselage/loss/concepts.h"

namespace fuselage::loss {

/// (log v + (y - t)^2/v)/2 for a mean y and a variance z, v = max(z, eps); `full` adds log(2 pi)/2. Derivatives (y -
/// t)/v and (1 - (y - t)^2/v)/(2 v), also at z = eps; by a variance below eps 0, as of the value. As PyTorch, but for
/// its gradient by a variance below eps, which is that at eps (it clamps without a trace), and for a negative variance,
/// which it refuses: here it is held at eps too.
struct GaussianNll {
  static constexpr std::string_view name = "gaussian_nll";
  static constexpr std::string_view formula = "(log v + (y - t)^2/v)/2, v = max(variance, eps)";
  static constexpr std::string_view summary = "regression that predicts its own uncertainty: a mean and a variance";
  static constexpr Budget budget{4, 6, "by the variance the error of the difference counts twice"};
  static constexpr Decision decision = Decision::none;
  static constexpr Domain prediction = Domain::real, second = Domain::positive, target = Domain::real;
  static constexpr Inputs inputs{"mean", "variance"};
  bool full = false;
  double eps = 1e-6;
  static void fields(auto&& field) {
    field("full", &GaussianNll::full, Range{}, "log(2 pi)/2 is added");
    field("eps", &GaussianNll::eps, kNormaliser, "the least variance, with gradient 0 below");
  }

  template <class S>
  FUSELAGE_HD ValueGrads<S> operator()(S y, S z, S t) const {
    const auto held = z < S(eps);
    const S v = select(held, S(eps), z), d = y - t, ratio = d / v, half = S(0.5);
    const S value = fma(ratio, d, log(v)) * half, rest = fma(-ratio, d, S(1)) * half;
    return {full ? value + S(0.91893853320467274178) : value, ratio, select(held & (d == d), S(0), rest / v)};
  }
};

}  // namespace fuselage::loss
