// Negative log-likelihood of classes, from log-probabilities.
#pragma once

#include <optional>

#include "fuselage/core/field.h"
#include "fuselage/core/scalar.h"
#include "fuselage/loss/row.h"

namespace fuselage::loss {

/// For a row of log-probabilities y and coefficients q: value -sum_c q_c y_c, derivative -q_c. The coefficients are
/// those of softmax_cross_entropy: q_c = w_c ((1 - s) [c = label] + s/C) for labels, w_c ((1 - s) t_c + s/C) for dense
/// targets t. Where q_c = 0, y_c may be -inf. Nothing checks that a row is normalised; prefer softmax_cross_entropy,
/// which does both steps exactly. As PyTorch.
struct Nll {
  static constexpr std::string_view name = "nll";
  static constexpr std::string_view formula = "-sum_c q_c y_c";
  static constexpr std::string_view summary = "multi-class cross-entropy on log-probabilities";
  static constexpr Domain prediction = Domain::log_probability, target = Domain::real;
  static constexpr Inputs inputs{};
  static constexpr RowShape row{.target = RowTarget::classes};
  double label_smoothing = 0;
  std::optional<std::int64_t> ignore_index;
  static void fields(auto&& field) {
    field("label_smoothing", &Nll::label_smoothing, kFraction, "mass s spread evenly over classes");
    field("ignore_index", &Nll::ignore_index, Range{}, "rows with this label are left out");
  }

  /// k: 1 - s, s/C, value
  FUSELAGE_HD void start(const RowFacts& facts, double* k) const {
    k[0] = 1 - label_smoothing;
    k[1] = label_smoothing / static_cast<double>(facts.cols);
  }
  template <int sweep, class S>
  FUSELAGE_HD void terms(const RowElement<S>& e, const S* k, S* out) const {
    const S q = class_coefficient(e, k[0], k[1]);
    out[0] = select(q == S(0), S(0), -(q * e.x[0]));
  }
  template <int sweep>
  FUSELAGE_HD void gather(const RowFacts&, const double* sums, double* k) const {
    k[2] = sums[0];
  }
  FUSELAGE_HD double value(const RowFacts&, const double* k) const { return k[2]; }
  FUSELAGE_HD double confidence(const RowFacts&, const double*, double x) const { return exp(x); }
  template <class S>
  FUSELAGE_HD void gradient(const RowElement<S>& e, const S* k, S* g) const {
    g[0] = S(0) - class_coefficient(e, k[0], k[1]);
  }
};

}  // namespace fuselage::loss
