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
  static constexpr RowShape row{.target = RowTarget::classes, .softmax = true, .sums = {3, 0}};
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

  /// alpha (1-p)^gamma
  template <class S>
  FUSELAGE_HD S power(const RowElement<S>& e) const {
    if (gamma == 2) return S(alpha) * (e.rest * e.rest);
    const double lost = gamma - static_cast<double>(static_cast<float>(gamma));  // it is multiplied by log(1 - p)
    const S power = S(alpha) * pow(e.rest, S(gamma));
    return lost == 0 ? power : select(e.rest > S(0), fma(power * S(lost), log(e.rest), power), power);
  }
  template <class S>
  FUSELAGE_HD S slope(const RowElement<S>& e, S power) const {
    const S zero = S(0), bend = select(e.p == zero, zero, e.p * e.log_p) / e.rest;
    return power * fma(S(gamma), select(e.rest == zero, S(-1), bend), S(-1));
  }

  /// k: 1 - s, s/C, the sums of q h, value
  FUSELAGE_HD void start(const RowFacts& facts, double* k) const {
    k[0] = 1 - label_smoothing;
    k[1] = label_smoothing / static_cast<double>(facts.cols);
  }
  template <int sweep, class S>
  FUSELAGE_HD void terms(const RowElement<S>& e, const S* k, S* out) const {
    const S q = class_coefficient(e, k[0], k[1]), zero = S(0), strength = power(e);
    out[0] = select(q == zero, zero, -(q * (strength * e.log_p)));
    const S qh = select(q == zero, zero, q * slope(e, strength));
    out[1] = sum_of_peak(e, qh);
    out[2] = sum_of_others(e, qh);
  }
  template <int sweep>
  FUSELAGE_HD void gather(const RowFacts&, const double* sums, double* k) const {
    k[2] = sums[1];
    k[3] = sums[2];
    k[4] = sums[0];
  }
  FUSELAGE_HD double value(const RowFacts&, const double* k) const { return k[4]; }
  template <class S>
  FUSELAGE_HD void gradient(const RowElement<S>& e, const S* k, S* g) const {
    const S q = class_coefficient(e, k[0], k[1]);
    g[0] = through_softmax(e, select(q == S(0), S(0), q * slope(e, power(e))), k[2], k[3]);
  }
};

}  // namespace fuselage::loss
