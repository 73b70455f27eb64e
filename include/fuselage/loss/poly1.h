// The first polynomial cross-entropy on logits.
#pragma once

#include <optional>

#include "fuselage/core/field.h"
#include "fuselage/core/math.h"
#include "fuselage/loss/row.h"

namespace fuselage::loss {

/// For a row of logits x, p = softmax(x) and coefficients q as in softmax_cross_entropy: value sum_c q_c (-log p_c +
/// epsilon (1 - p_c)), as Optax (whose epsilon is 2 by default). The derivative by x_c is q_c h_c - p_c sum_j q_j h_j
/// with h = -(1 + epsilon p). epsilon = 0 is softmax_cross_entropy. Leng et al., PolyLoss (2022).
struct Poly1 {
  static constexpr std::string_view name = "poly1";
  static constexpr std::string_view formula = "sum_c q_c (-log p_c + epsilon (1 - p_c)), p = softmax(x)";
  static constexpr std::string_view summary = "multi-class cross-entropy with another weight of its first power";
  static constexpr Domain prediction = Domain::logit, target = Domain::real;
  static constexpr Inputs inputs{};
  static constexpr Budget budget{4, 8,
                                 "p, its slope and the sum of their products are rounded before they are multiplied"};
  static constexpr RowShape row{.target = RowTarget::classes, .softmax = true, .sums = {3, 0}};
  double epsilon = 1;
  double label_smoothing = 0;
  std::optional<std::int64_t> ignore_index;
  static void fields(auto&& field) {
    field("epsilon", &Poly1::epsilon, kAnyFinite, "weight of 1 - p");
    field("label_smoothing", &Poly1::label_smoothing, kFraction, "mass s spread evenly over classes");
    field("ignore_index", &Poly1::ignore_index, Range{}, "rows with this label are left out");
  }

  /// k: 1 - s, s/C, the sums of q h, value
  FUSELAGE_HD void start(const RowFacts& facts, double* k) const {
    k[0] = 1 - label_smoothing;
    k[1] = label_smoothing / static_cast<double>(facts.cols);
  }
  template <int sweep, class S>
  FUSELAGE_HD void terms(const RowElement<S>& e, const S* k, S* out) const {
    const S q = class_coefficient(e, k[0], k[1]), zero = S(0), weight = S(epsilon);
    out[0] = select(q == zero, zero, q * fma(weight, e.rest, -e.log_p));
    const S qh = q * fma(-weight, e.p, S(-1));
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
    g[0] = through_softmax(e, q * fma(S(-epsilon), e.p, S(-1)), k[2], k[3]);
  }
};

}  // namespace fuselage::loss
