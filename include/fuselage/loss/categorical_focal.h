// The focal loss of classes on logits.
#pragma once

#include <optional>

#include "fuselage/core/field.h"
#include "fuselage/core/math.h"
#include "fuselage/loss/row.h"

namespace fuselage::loss {

/// For a row of logits x, p = softmax(x) and coefficients q as in softmax_cross_entropy (labels or dense targets, class
/// weights, label smoothing s): value alpha sum_c q_c (1-p_c)^gamma (-log p_c). As Keras, alpha multiplies every class
/// alike; Keras clips p at 1e-7, which this has no need of. The derivative by x_c is q_c h_c - p_c sum_j q_j h_j with
/// h = alpha (1-p)^gamma (gamma p log p/(1-p) - 1), where p log p/(1-p) is -1 at p = 1: no power has an exponent below
/// gamma. gamma = 0 and alpha = 1 is softmax_cross_entropy. Lin et al., Focal Loss for Dense Object Detection (2017).
struct CategoricalFocal {
  static constexpr std::string_view name = "categorical_focal";
  static constexpr std::string_view formula = "alpha sum_c q_c (1-p_c)^gamma (-log p_c), p = softmax(x)";
  static constexpr std::string_view summary = "multi-class cross-entropy that turns away from what is already right";
  static constexpr Domain prediction = Domain::logit, target = Domain::real;
  static constexpr Inputs inputs{};
  static constexpr Budget budget{12, 12, "a power multiplies the error of its base by the exponent"};
  static constexpr RowShape row{.target = RowTarget::classes, .softmax = true, .sweeps = 2, .sums = {4, 3}};
  double gamma = 2;
  double alpha = 0.25;
  double label_smoothing = 0;
  std::optional<std::int64_t> ignore_index;
  static void fields(auto&& field) {
    field("gamma", &CategoricalFocal::gamma, kNonNegative, "how fast right decisions lose weight");
    field("alpha", &CategoricalFocal::alpha, kNonNegative, "multiplies the loss");
    field("label_smoothing", &CategoricalFocal::label_smoothing, kFraction, "mass s spread evenly over classes");
    field("ignore_index", &CategoricalFocal::ignore_index, Range{}, "rows with this label are left out");
  }

  /// A power multiplies what 1 - p is off by, also by the fp32 sum of the softmax: a sweep before measures that. The
  /// square does not need it.
  FUSELAGE_HD int sweeps() const { return gamma == 2 ? 1 : 2; }

  /// (1-p)^gamma
  template <class S>
  FUSELAGE_HD Scaled<S> strength(const RowElement<S>& e, const S* k) const {
    const S more = select(e.p > S(0.5), e.rest * k[5], e.p * k[6]);
    return power(TwoPart<S>{e.rest, e.rest_low + more}, gamma);
  }
  /// h, whose power is `strength`, times a coefficient q
  template <class S>
  FUSELAGE_HD S slope(const RowElement<S>& e, Scaled<S> strength, S q) const {
    const S zero = S(0), bend = select(e.p == zero, zero, e.p * e.log_p) / e.rest;
    const S h = strength.times(S(alpha) * fma(S(gamma), select(e.rest == zero, S(-1), bend), S(-1)));
    return select(q == zero, zero, q * h);
  }

  /// k: 1 - s, s/C, the sums of q h, value, by which 1 - p of the element above 1/2 is too small in parts of itself,
  /// and p of the others too large
  FUSELAGE_HD void start(const RowFacts& facts, double* k) const {
    k[0] = 1 - label_smoothing;
    k[1] = label_smoothing / static_cast<double>(facts.cols);
  }
  template <int sweep, class S>
  FUSELAGE_HD void terms(const RowElement<S>& e, const S* k, S* out) const {
    const S zero = S(0);
    if (sweep == 0 && gamma != 2) return parts_of_sum(e, out);
    const S q = class_coefficient(e, k[0], k[1]);
    const Scaled<S> weight = strength(e, k);
    out[0] = select(q == zero, zero, -(q * weight.times(S(alpha) * e.log_p)));
    const S qh = slope(e, weight, q);
    out[1] = sum_of_peak(e, qh);
    out[2] = sum_of_others(e, qh);
    if (sweep == 0) out[3] = zero;
  }
  template <int sweep>
  FUSELAGE_HD void gather(const RowFacts&, const double* sums, double* k) const {
    if (sweep == 0 && gamma != 2) return measure(sums, k);
    k[2] = sums[1];
    k[3] = sums[2];
    k[4] = sums[0];
  }
  FUSELAGE_HD double value(const RowFacts&, const double* k) const { return k[4]; }
  template <class S>
  FUSELAGE_HD void gradient(const RowElement<S>& e, const S* k, S* g) const {
    const S q = class_coefficient(e, k[0], k[1]);
    g[0] = through_softmax(e, slope(e, strength(e, k), q), k[2], k[3]);
  }

 private:
  /// p of the elements up to 1/2, in multiples of 2^-23, whose sum is exact, and what is left of it; 1 - p of the one
  /// above.
  template <class S>
  FUSELAGE_HD static void parts_of_sum(const RowElement<S>& e, S* out) {
    const S zero = S(0), one = S(1), p = one - e.rest, high = (p + one) - one;
    const auto above = e.p > S(0.5);
    out[0] = select(above, zero, high);
    out[1] = select(above, zero, (p - high) - e.rest_low);
    out[2] = select(above, e.rest, zero);
    out[3] = select(above, e.rest_low, zero);
  }
  /// The elements' p are known to 2^-28 from x and the sum of the softmax; what they add up to tells what it is off by.
  FUSELAGE_HD static void measure(const double* sums, double* k) {
    const double others = sums[0] + sums[1], rest = sums[2] + sums[3];
    const bool peak = rest > 0;
    const double excess = others / (peak ? rest : 1) - 1, lost = abs(excess) < 1e-3 ? excess : 0;
    k[5] = peak ? lost * (1 - rest) : 0;
    k[6] = peak ? lost * rest : lost;
  }
};

}  // namespace fuselage::loss
