// Cosine embedding loss of two rows.
#pragma once

#include "fuselage/core/field.h"
#include "fuselage/core/scalar.h"
#include "fuselage/loss/row.h"

namespace fuselage::loss {

/// For rows x1, x2 that belong together (target 1) or do not (-1): 1 - c, or max(0, c - margin), with the cosine
/// c = x1.x2/sqrt((|x1|^2 + eps) (|x2|^2 + eps)), as PyTorch. Derivative of c by x1: x2/sqrt(...) - c x1/(|x1|^2 +
/// eps); 0 at c = margin. With eps = 0 a row of zeros has c = 0 and derivative 0. Any other target is a bad label. Sums
/// are of fp32 squares: norms may lie between 1e-15 and 1e18.
struct CosineEmbedding {
  static constexpr std::string_view name = "cosine_embedding";
  static constexpr std::string_view formula = "1 - cos(x1, x2) if t = 1 else max(0, cos(x1, x2) - margin)";
  static constexpr std::string_view summary = "pairs that should or should not point the same way";
  static constexpr Domain prediction = Domain::real, target = Domain::sign;
  static constexpr Inputs inputs{"x1", "x2"};
  static constexpr Budget budget{4, 16, "where products of a row cancel, every element takes the error of the cosine"};
  static constexpr RowShape row{.target = RowTarget::single, .sums = {3, 0}};
  double margin = 0;
  double eps = 1e-12;
  static void fields(auto&& field) {
    field("margin", &CosineEmbedding::margin, Range{-1, 1}, "the cosine that strangers may have");
    field("eps", &CosineEmbedding::eps, kNonNegative, "added to squared norms");
  }

  template <int sweep, class S>
  FUSELAGE_HD void terms(const RowElement<S>& e, const S*, S* out) const {
    out[0] = e.x[0] * e.x[1];
    out[1] = e.x[0] * e.x[0];
    out[2] = e.x[1] * e.x[1];
  }
  /// k: cosine, and the slope by it times 1/(|x1| |x2|), cosine/|x1|^2, cosine/|x2|^2
  template <int sweep>
  FUSELAGE_HD void gather(const RowFacts& facts, const double* sums, double* k) const {
    const double a = sums[1] + eps, b = sums[2] + eps, product = sqrt(a) * sqrt(b);
    const bool zero = product == 0;
    const double inverse = zero ? 0 : 1 / product;
    k[0] = sums[0] * inverse;
    const double slope = facts.single > 0 ? -1 : k[0] <= margin ? 0 : 1;
    k[1] = slope * inverse;
    k[2] = zero ? 0 : slope * k[0] / a;
    k[3] = zero ? 0 : slope * k[0] / b;
  }
  FUSELAGE_HD double value(const RowFacts& facts, const double* k) const {
    if (facts.single > 0) return 1 - k[0];
    return k[0] <= margin ? 0 : k[0] - margin;
  }
  template <class S>
  FUSELAGE_HD void gradient(const RowElement<S>& e, const S* k, S* g) const {
    g[0] = fma(k[1], e.x[1], -(k[2] * e.x[0]));
    g[1] = fma(k[1], e.x[0], -(k[3] * e.x[1]));
  }
};

}  // namespace fuselage::loss
