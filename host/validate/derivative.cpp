// The derivative checks of every loss of the list.
#include "host/validate/derivative.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "fuselage/core/softmax.h"
#include "fuselage/losses.h"
#include "host/validate/changes.h"
#include "host/validate/derivative_rows.h"

namespace fuselage {
namespace {

/// A row as core/softmax.h describes it, its sums made plainly in double.
SoftmaxRow<double> plain_row(const std::vector<double>& x, const std::vector<double>& q) {
  SoftmaxRow<double> row{};
  row.max = row.anchor = *std::max_element(x.begin(), x.end());
  double sum = 0;
  for (std::size_t c = 0; c < x.size(); ++c) {
    sum += std::exp(x[c] - row.max);
    row.q += q[c];
    row.q_gap += q[c] * (row.anchor - x[c]);
  }
  row.odds = sum - 1;
  row.scale = 1 / sum;
  row.complement = row.odds / (1 + row.odds);
  return row;
}

/// Softmax cross-entropy from the shared arithmetic of rows, moved along each logit in turn.
DerivativeCheck check_softmax(const loss::SoftmaxCrossEntropy& loss) {
  DerivativeCheck check{Losses::to_string(loss)};
  const std::vector<double> base{0.3, -1.2, 2.0, 1.9, -4.0};
  const double spread = loss.label_smoothing / static_cast<double>(base.size());
  const std::vector<double> q(base.size(), spread);
  const SoftmaxTarget<double> target{1 - loss.label_smoothing, spread};
  for (std::size_t label = 0; label < base.size(); ++label) {
    for (std::size_t c = 0; c < base.size(); ++c) {
      for (const double shift : {-3.0, -0.5, 0.0, 0.4, 5.0}) {
        std::vector<double> x = base;
        const double at = x[c] + shift;
        const auto value = [&](double moved) {
          x[c] = moved;
          return softmax_value(plain_row(x, q), target, x[label]);
        };
        x[c] = at;
        const SoftmaxRow<double> row = plain_row(x, q);
        const double p = std::exp(at - row.max) * row.scale, sum = target.label_weight + row.q;
        const double derivative = c == label ? softmax_label_gradient(row, target, at, p) : sum * p - q[c];
        validate::check_point(check, value, at, derivative,
                              [&] { return fmt::format("{} by logit {} = {}, label {}", check.loss, c, at, label); });
      }
    }
  }
  return check;
}

template <class L>
DerivativeCheck check(const L& loss) {
  if constexpr (loss::Pointwise<L>)
    return validate::check_pointwise(loss, Losses::to_string(loss));
  else if constexpr (loss::PointwisePair<L>)
    return validate::check_pair(loss, Losses::to_string(loss));
  else if constexpr (loss::RowSums<L>)
    return validate::check_rows(loss, Losses::to_string(loss));
  else
    return check_softmax(loss);
}

}  // namespace

std::vector<DerivativeCheck> check_derivatives() {
  std::vector<DerivativeCheck> checks;
  Losses::for_each([&]<class L>() {
    for (const L& loss : validate::with_each_field_changed(L{})) {
      // A frozen normaliser is no part of the derivative: it is not that of the value, and says so.
      if constexpr (requires { loss.frozen; })
        if (loss.frozen) continue;
      checks.push_back(check(loss));
    }
  });
  return checks;
}

}  // namespace fuselage
