// The contrastive loss of two rows.
#pragma once

#include <array>

#include "fuselage/core/field.h"
#include "fuselage/core/scalar.h"
#include "fuselage/loss/row.h"

namespace fuselage::loss {

enum class PairLabels : std::uint8_t { similar_is_one, similar_is_zero };
constexpr std::array<std::string_view, 2> names_of(PairLabels) { return {"similar_is_one", "similar_is_zero"}; }

/// For rows x1, x2 at the distance d = |x1 - x2 + eps| (eps is added to every difference, as PyTorch's
/// pairwise_distance): similar rows d^2/2, others max(0, margin - d)^2/2; half = false leaves out the factors 1/2
/// (TensorFlow Addons). `labels` says whether a target of 1 means similar, or different (Hadsell, Chopra and LeCun,
/// CVPR 2006); a target t between 0 and 1 weighs both parts. Any other target is a bad label. The derivative by x1 is d
/// u or
/// -(margin - d) u with u = (x1 - x2 + eps)/d, 0 at the kink and, for others, where d = 0. Sums are of fp32 squares:
/// distances may lie between 1e-15 and 1e18.
struct Contrastive {
  static constexpr std::string_view name = "contrastive";
  static constexpr std::string_view formula = "d^2/2 if similar else max(0, margin - d)^2/2, d = |x1 - x2 + eps|";
  static constexpr std::string_view summary = "pairs that should be near each other, or at least a margin apart";
  static constexpr Domain prediction = Domain::real, target = Domain::probability;
  static constexpr Inputs inputs{"x1", "x2"};
  static constexpr Budget budget{4, 6, "the distance, its inverse and the margin's rest are rounded"};
  static constexpr RowShape row{.target = RowTarget::single};
  double margin = 1;
  double eps = 1e-6;
  PairLabels labels = PairLabels::similar_is_one;
  bool half = true;
  static void fields(auto&& field) {
    field("margin", &Contrastive::margin, kNonNegative, "distance that strangers should keep");
    field("eps", &Contrastive::eps, kNonNegative, "added to every difference");
    field("labels", &Contrastive::labels, Range{}, "what a target of 1 means");
    field("half", &Contrastive::half, Range{}, "with the factors 1/2");
  }

  template <int sweep, class S>
  FUSELAGE_HD void terms(const RowElement<S>& e, const S*, S* out) const {
    out[0] = square(exact_sum(e.x[0], e.x[1], S(eps)));
  }
  /// k: slope by d over d, value, what float takes from the slope
  template <int sweep>
  FUSELAGE_HD void gather(const RowFacts& facts, const double* sums, double* k) const {
    const double d = sqrt(sums[0]), rest = margin - d <= 0 ? 0 : margin - d;
    const double similar = labels == PairLabels::similar_is_one ? facts.single : 1 - facts.single;
    const double factor = half ? 1 : 2;
    k[0] = factor * (similar - (d == 0 ? 0 : (1 - similar) * rest / d));
    k[2] = k[0] - static_cast<double>(static_cast<float>(k[0]));
    k[1] = factor * 0.5 * (similar * sums[0] + (1 - similar) * (rest * rest));
  }
  FUSELAGE_HD double value(const RowFacts&, const double* k) const { return k[1]; }
  template <class S>
  FUSELAGE_HD void gradient(const RowElement<S>& e, const S* k, S* g) const {
    const ExactSum<S> d = exact_sum(e.x[0], e.x[1], S(eps));
    g[0] = fma(k[0], d.v, fma(k[0], d.low, k[2] * d.v));
    g[1] = -g[0];
  }
};

}  // namespace fuselage::loss
