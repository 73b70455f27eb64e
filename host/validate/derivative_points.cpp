// The points at which derivatives are checked.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "host/validate/derivative_rows.h"

namespace fuselage::validate {
namespace {

/// Whether a check with targets of a domain has use for t.
bool may_be_target(Domain domain, double t) {
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
double of_domain(Domain domain, double x) {
  switch (domain) {
    case Domain::probability: return 0.5 + x / 20.25;
    case Domain::log_probability: return -std::abs(x) - 1e-3;
    case Domain::positive:
    case Domain::non_negative: return std::abs(x) + 0.03;
    default: return x;
  }
}

PlainRow first_row(const LossTraits& traits, int inputs) {
  const double bases[kRowInputs][5] = {
      {0.3, -1.2, 2.0, 1.9, -4.0}, {0.5, -0.2, 1.0, -1.5, 0.8}, {-0.7, 2.0, 0.1, 0.4, -2.0}};
  PlainRow row;
  for (int k = 0; k < inputs; ++k) row.x[k].assign(std::begin(bases[k]), std::end(bases[k]));
  // Log-probabilities are negative, probabilities between 0 and 1.
  for (double& x : row.x[0]) {
    if (traits.prediction_domain == Domain::log_probability) x = -std::abs(x);
    if (traits.prediction_domain == Domain::probability) x = 0.05 + std::abs(x) / 5;
  }
  return row;
}

void set_target(PlainRow& row, const LossTraits& traits, int target) {
  row.facts = {};
  row.facts.second = 0.7 * (target - 1);
  if (traits.target == RowTarget::classes || traits.target == RowTarget::labels) {
    row.facts.label = target;
    row.target.assign(5, 0.0);
    row.target[static_cast<std::size_t>(target)] = 1;
  } else if (traits.target == RowTarget::dense) {
    row.target = {0.4 - target, 1.0, -0.5, 0.25 * target, 2.0};
  } else if (traits.target == RowTarget::single) {
    const bool no = target % 2 == 0;
    row.facts.single = no ? (traits.target_domain == Domain::sign ? -1 : 0) : 1;
  }
}

}  // namespace

void check_point(DerivativeCheck& check, const std::function<double(double)>& f, double x, double derivative,
                 const std::function<std::string()>& where) {
  const double h = 1e-6 * std::max(1.0, std::abs(x)), up = x + h, down = x - h;
  const double at = f(x), above = f(up), below = f(down);
  if (!std::isfinite(above) || !std::isfinite(below)) return;
  const double left = (at - below) / (x - down), right = (above - at) / (up - x);
  const double size = std::max({std::abs(at), std::abs(above), std::abs(below), 1.0});
  const double slack = 1e-15 * size / h + 1e-5 * std::max({std::abs(left), std::abs(right), 1.0});
  ++check.points;
  if (derivative >= std::min(left, right) - slack && derivative <= std::max(left, right) + slack) return;
  if (check.wrong++ == 0)
    check.first_wrong = fmt::format("{}: derivative {}, expected {} to {}", where(), derivative, left, right);
}

DerivativeCheck check_elements(const std::string& text, Domain prediction, Domain target,
                               const std::function<ValueGrad<double>(double y, double t)>& loss) {
  DerivativeCheck check{text};
  for (const double t : {-1.0, -0.3, 0.0, 0.25, 0.7, 1.0, 2.5, 3.0}) {
    if (!may_be_target(target, t)) continue;
    for (int i = -160; i <= 160; ++i) {
      const double y = prediction == Domain::probability ? 0.5 + i / 324.0 : i / 16.0;
      check_point(
          check, [&](double at) { return loss(at, t).value; }, y, loss(y, t).grad,
          [&] { return fmt::format("{} at y = {}, t = {}", text, y, t); });
    }
  }
  return check;
}

DerivativeCheck check_pairs(const std::string& text, const Inputs& inputs, Domain prediction, Domain second,
                            Domain target,
                            const std::function<ValueGrads<double>(double y, double z, double t)>& loss) {
  DerivativeCheck check{text};
  for (const double t : {-1.0, -0.3, 0.0, 0.25, 0.7, 1.0, 2.5}) {
    if (!may_be_target(target, t)) continue;
    for (int i = -40; i <= 40; ++i) {
      for (int j = -8; j <= 8; ++j) {
        const double y = of_domain(prediction, i / 4.0), z = of_domain(second, j / 1.6);
        const ValueGrads<double> found = loss(y, z, t);
        const auto where = [&] { return fmt::format("{} at y = {}, z = {}, t = {}", text, y, z, t); };
        check_point(
            check, [&](double at) { return loss(at, z, t).value; }, y, found.grad, where);
        if (!inputs.second_has_gradient) continue;
        check_point(
            check, [&](double at) { return loss(y, at, t).value; }, z, found.second, [&] { return where() + " by z"; });
      }
    }
  }
  return check;
}

DerivativeCheck check_rows(const std::string& text, const LossTraits& traits,
                           const std::function<double(PlainRow&, std::vector<double>* gradients)>& evaluate) {
  DerivativeCheck check{text};
  const int inputs = traits.row_second ? 1 : traits.inputs.count();
  const Domain domain = traits.prediction_domain;
  const bool bounded = domain == Domain::log_probability || domain == Domain::probability;
  PlainRow row = first_row(traits, inputs);
  for (int target = 0; target < 5; ++target) {
    set_target(row, traits, target);
    for (int k = 0; k < inputs; ++k) {
      for (std::size_t c = 0; c < 5; ++c) {
        const double base = row.x[k][c];
        for (const double shift : {-3.0, -0.5, 0.0, 0.01, 0.4, 5.0}) {
          const double at = bounded ? base * (1 + shift / 10) : base + shift;
          const auto value = [&](double moved) {
            row.x[k][c] = moved;
            return evaluate(row, nullptr);
          };
          row.x[k][c] = at;
          std::vector<double> gradients[kRowInputs];
          evaluate(row, gradients);
          check_point(check, value, at, gradients[k][c],
                      [&] { return fmt::format("{} by input {}, column {} = {}, target {}", text, k, c, at, target); });
          row.x[k][c] = base;
        }
      }
    }
  }
  return check;
}

}  // namespace fuselage::validate
