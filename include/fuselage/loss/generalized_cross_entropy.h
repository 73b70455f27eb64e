// Generalized cross-entropy on logits.
#pragma once

#include <optional>

#include "fuselage/core/field.h"
#include "fuselage/core/math.h"
#include "fuselage/loss/row.h"

namespace fuselage::loss {

/// For a row of logits x, p = softmax(x) and coefficients c (w_y for the label's class and 0 elsewhere, or w t of dense
/// targets): value sum_c c (1 - p^q)/q, which is 1 - p for q = 1 and comes near -log p as q falls to 0. The derivative
/// by x is c h - p sum c h with h = -p^q. Keras takes probabilities; these are logits. Zhang and Sabuncu, Generalized
/// Cross Entropy Loss for Training Deep Neural Networks with Noisy Labels (2018).
/// The power is exp(q log p), from the two numbers of log p.
struct GeneralizedCrossEntropy {
  static constexpr std::string_view name = "generalized_cross_entropy";
  static constexpr std::string_view formula = "sum_c t_c (1 - p_c^q)/q, p = softmax(x)";
  static constexpr std::string_view summary = "between cross-entropy and absolute error: bears wrong labels";
  static constexpr Domain prediction = Domain::logit, target = Domain::real;
  static constexpr Inputs inputs{};
  static constexpr Budget budget{4, 8,
                                 "p, its power and the sum of their products are rounded before they are multiplied"};
  static constexpr RowShape row{.target = RowTarget::classes, .softmax = true, .sums = {3, 0}};
  double q = 0.5;
  std::optional<std::int64_t> ignore_index;
  static void fields(auto&& field) {
    field("q", &GeneralizedCrossEntropy::q, Range{1e-9, 1}, "1: absolute error; towards 0: cross-entropy");
    field("ignore_index", &GeneralizedCrossEntropy::ignore_index, Range{}, "rows with this label are left out");
  }

  /// h = -p^q times the coefficient
  template <class S>
  FUSELAGE_HD S slope(const RowElement<S>& e, S coefficient) const {
    const double low = q - static_cast<double>(static_cast<float>(q));
    const S exponent = S(q) * e.log_p, lost = fma(S(q), e.log_p, -exponent);
    const S power = exp(exponent), rest = lost + fma(S(q), e.log_p_low, S(low) * e.log_p);
    const S all = select(exponent > S(-104), fma(power, rest, power), power);
    return select(coefficient == S(0), S(0), -(coefficient * all));
  }

  /// k: the sums of c h, value
  template <int sweep, class S>
  FUSELAGE_HD void terms(const RowElement<S>& e, const S*, S* out) const {
    const S coefficient = class_coefficient(e, S(1), S(0)), zero = S(0);
    const S loss = q == 1 ? e.rest : expm1(S(q) * e.log_p) * S(-1 / q);
    out[0] = select(coefficient == zero, zero, coefficient * loss);
    const S h = slope(e, coefficient);
    out[1] = sum_of_peak(e, h);
    out[2] = sum_of_others(e, h);
  }
  template <int sweep>
  FUSELAGE_HD void gather(const RowFacts&, const double* sums, double* k) const {
    k[0] = sums[1];
    k[1] = sums[2];
    k[2] = sums[0];
  }
  FUSELAGE_HD double value(const RowFacts&, const double* k) const { return k[2]; }
  template <class S>
  FUSELAGE_HD void gradient(const RowElement<S>& e, const S* k, S* g) const {
    g[0] = through_softmax(e, slope(e, class_coefficient(e, S(1), S(0))), k[0], k[1]);
  }
};

}  // namespace fuselage::loss
