// Cross-entropy of classes, on probabilities.
#pragma once

#include <optional>

#include "fuselage/core/field.h"
#include "fuselage/core/math.h"
#include "fuselage/loss/row.h"

namespace fuselage::loss {

/// For a row of probabilities y and coefficients q as in softmax_cross_entropy: value -sum_c q_c log u_c, where u is
/// y/sum(y) (normalise, as Keras) or y itself, held within [clip, 1 - clip]. The derivative of an element outside is 0;
/// inside it is -q_c/u_c, and through the sum (normalise) (A - q_c/u_c)/sum(y), with A the sum of q over what is
/// inside. The greatest element takes u from what is left for the others, so no digit of 1 - u is lost. A row without a
/// positive sum is NaN when normalised; without clip, y = 0 is +inf where q > 0 and nothing where q = 0.
/// Prefer softmax_cross_entropy: a probability has lost what its logit knew.
struct CrossEntropy {
  static constexpr std::string_view name = "cross_entropy";
  static constexpr std::string_view formula = "-sum_c q_c log u_c, u = y/sum(y) within [clip, 1 - clip]";
  static constexpr std::string_view summary = "multi-class cross-entropy on probabilities";
  static constexpr Domain prediction = Domain::probability, target = Domain::real;
  static constexpr Inputs inputs{};
  static constexpr Budget budget{4, 8, "the derivative is divided by the rounded sum and by the rounded share of it"};
  static constexpr RowShape row{.target = RowTarget::classes, .most = true, .sweeps = 2, .sums = {1, 2}};
  double clip = 1e-7;
  bool normalise = true;
  double label_smoothing = 0;
  std::optional<std::int64_t> ignore_index;
  static void fields(auto&& field) {
    field("clip", &CrossEntropy::clip, Range{0, 0.5, false, true}, "u is held within [clip, 1 - clip]");
    field("normalise", &CrossEntropy::normalise, Range{}, "divides a row by its sum first");
    field("label_smoothing", &CrossEntropy::label_smoothing, kFraction, "mass s spread evenly over classes");
    field("ignore_index", &CrossEntropy::ignore_index, Range{}, "rows with this label are left out");
  }

  template <class S>
  FUSELAGE_HD S ranked(const RowElement<S>& e) const {
    return e.x[0];
  }
  FUSELAGE_HD double low() const { return clip > 0 ? clip : -__builtin_inf(); }
  FUSELAGE_HD double high() const { return clip > 0 ? 1 - clip : __builtin_inf(); }
  /// Which elements have a slope; the greatest of a normalised row is told by the sign of k[5].
  template <class S>
  FUSELAGE_HD auto is_inside(const RowElement<S>& e, const S* k) const {
    const auto within = !((e.x[0] < k[0]) | (e.x[0] * k[2] > S(high())));
    const auto top = (e.most > S(0)) & (S(normalise ? 1 : 0) > S(0));
    return (within & !top) | (top & !(k[5] < S(0)));
  }

  /// k: the least y that is inside, s/C, 1/sum, then log u of the greatest until the value, A, the odds against the
  /// greatest or -1, and the logarithms of clip and 1 - clip, which has lost digits of clip
  FUSELAGE_HD void start(const RowFacts& facts, double* k) const {
    k[1] = label_smoothing / static_cast<double>(facts.cols);
    k[6] = log(clip);
    k[7] = log1p(-clip);
  }
  template <int sweep, class S>
  FUSELAGE_HD void terms(const RowElement<S>& e, const S* k, S* out) const {
    if constexpr (sweep == 0) {
      out[0] = select(e.most > S(0), S(0), e.x[0]);
    } else {
      const S q = class_coefficient(e, S(1 - label_smoothing), k[1]), zero = S(0), u = e.x[0] * k[2];
      const S held = select(e.x[0] < k[0], k[6], select(u > S(high()), k[7], log(u)));
      const S log_u = select(e.most > zero, k[3], held);
      out[0] = select(q == zero, zero, -(q * log_u));
      out[1] = select(is_inside(e, k), q, zero);
    }
  }
  template <int sweep>
  FUSELAGE_HD void gather(const RowFacts& facts, const double* sums, double* k) const {
    if constexpr (sweep == 0) {
      const double sum = facts.most + sums[0], odds = normalise ? sums[0] / facts.most : 1 / facts.most - 1;
      const double top = normalise ? facts.most / sum : facts.most;
      const bool over = clip > 0 && odds<clip / (1 - clip), under = clip> 0 && top < clip;
      const double divisor = normalise ? (sum <= 0 ? __builtin_nan("") : sum) : 1;
      k[0] = low() * divisor;
      k[2] = 1 / divisor;
      k[3] = over ? k[7] : under ? k[6] : normalise ? -log1p(odds) : log(top);
      k[5] = over || under ? -1 : odds;
    } else {
      k[3] = sums[0];
      k[4] = normalise ? sums[1] : 0;
    }
  }
  FUSELAGE_HD double value(const RowFacts&, const double* k) const { return k[3]; }
  FUSELAGE_HD double confidence(const RowFacts&, const double* k, double x) const { return x * k[2]; }
  template <class S>
  FUSELAGE_HD void gradient(const RowElement<S>& e, const S* k, S* g) const {
    const S q = class_coefficient(e, S(1 - label_smoothing), k[1]), zero = S(0);
    const auto inside = is_inside(e, k) & (q != zero);
    const S own = select(inside, q / e.x[0], zero), top = select(inside, fma(-q, k[5], k[4] - q), k[4]);
    g[0] = normalise ? select(e.most > zero, top * k[2], fma(k[4], k[2], -own)) : -own;
  }
};

}  // namespace fuselage::loss
