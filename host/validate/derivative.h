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

/// Whether a check with targets of a domain has use for t.
constexpr bool may_be_target(Domain domain, double t) {
  switch (domain) {
    case Domain::probability: return t >= 0 && t <= 1;
    case Domain::sign: return t == 1 || t == -1;
    case Domain::positive: return t > 0;
    case Domain::non_negative: return t >= 0;
    case Domain::count: return t == 0 || t == 1 || t == 3;
    case Domain::log_probability: return t <= 0;
    default: return true;
  }
}

/// A number of the domain from x between -10 and 10.
inline double of_domain(Domain domain, double x) {
  switch (domain) {
    case Domain::probability: return 0.5 + x / 20.25;
    case Domain::log_probability: return -std::abs(x) - 1e-3;
    case Domain::positive:
    case Domain::non_negative: return std::abs(x) + 0.03;
    default: return x;
  }
}

/// Checks a pointwise loss on a grid of predictions and targets, kinks among them.
template <class L>
DerivativeCheck check_pointwise(const L& loss, const std::string& text) {
  DerivativeCheck check{text};
  for (const double t : {-1.0, -0.3, 0.0, 0.25, 0.7, 1.0, 2.5, 3.0}) {
    if (!may_be_target(L::target, t)) continue;
    for (int i = -160; i <= 160; ++i) {
      const double y = L::prediction == Domain::probability ? 0.5 + i / 324.0 : i / 16.0;
      const auto value = [&](double at) { return loss(at, t).value; };
      check_point(check, value, y, loss(y, t).grad, fmt::format("{} at y = {}, t = {}", text, y, t));
    }
  }
  return check;
}

/// The same for a loss of two predictions, along each of them.
template <class L>
DerivativeCheck check_pair(const L& loss, const std::string& text) {
  DerivativeCheck check{text};
  for (const double t : {-1.0, -0.3, 0.0, 0.25, 0.7, 1.0, 2.5}) {
    if (!may_be_target(L::target, t)) continue;
    for (int i = -40; i <= 40; ++i) {
      for (int j = -8; j <= 8; ++j) {
        const double y = of_domain(L::prediction, i / 4.0), z = of_domain(L::second, j / 1.6);
        const auto found = loss(y, z, t);
        const std::string where = fmt::format("{} at y = {}, z = {}, t = {}", text, y, z, t);
        check_point(
            check, [&](double at) { return loss(at, z, t).value; }, y, found.grad, where);
        if (!loss::inputs_of<L>().second_has_gradient) continue;
        check_point(
            check, [&](double at) { return loss(y, at, t).value; }, z, found.second, where + " by z");
      }
    }
  }
  return check;
}

}  // namespace fuselage::validate
