// A definition's derivative against differences of its own value, in double: no driver, no backend, no reference.
//
// At each point the derivative must lie between the two one-sided differences (f(y) - f(y-h))/h and (f(y+h) - f(y))/h,
// widened by the rounding of the value. Away from kinks this is the central difference to within h f''; at a kink it
// says that the derivative is a subgradient.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "fuselage/core/field.h"
#include "fuselage/loss/concepts.h"
#include "fuselage/validate.h"

namespace fuselage::validate {

/// Judges `derivative` at x of the function f; f is evaluated in double.
template <class F>
void check_point(DerivativeCheck& check, const F& f, double x, double derivative, const std::string& where) {
  const double h = 1e-6 * std::max(1.0, std::abs(x)), up = x + h, down = x - h;
  const double at = f(x), above = f(up), below = f(down);
  if (!std::isfinite(above) || !std::isfinite(below)) return;
  const double left = (at - below) / (x - down), right = (above - at) / (up - x);
  const double size = std::max({std::abs(at), std::abs(above), std::abs(below), 1.0});
  const double slack = 1e-15 * size / h + 1e-5 * std::max({std::abs(left), std::abs(right), 1.0});
  ++check.points;
  if (derivative >= std::min(left, right) - slack && derivative <= std::max(left, right) + slack) return;
  if (check.wrong++ == 0)
    check.first_wrong = fmt::format("{}: derivative {}, expected {} to {}", where, derivative, left, right);
}

/// Checks a pointwise loss on a grid of predictions and targets, kinks among them.
template <class L>
DerivativeCheck check_pointwise(const L& loss, const std::string& text) {
  DerivativeCheck check{text};
  const bool probability = L::decision == Decision::probability;
  const bool decides = probability || L::decision == Decision::logit;
  for (const double t : {-1.0, -0.3, 0.0, 0.25, 0.7, 1.0, 2.5}) {
    if (decides && (t < 0 || t > 1)) continue;
    if (L::decision == Decision::sign && std::abs(t) != 1) continue;
    for (int i = -160; i <= 160; ++i) {
      const double y = probability ? 0.5 + i / 324.0 : i / 16.0;
      const auto value = [&](double at) { return loss(at, t).value; };
      check_point(check, value, y, loss(y, t).grad, fmt::format("{} at y = {}, t = {}", text, y, t));
    }
  }
  return check;
}

}  // namespace fuselage::validate
