// Cosine similarity of a row and its target.
#pragma once

#include <array>

#include "fuselage/core/field.h"
#include "fuselage/core/scalar.h"
#include "fuselage/loss/row.h"

namespace fuselage::loss {

enum class CosineForm : std::uint8_t { distance, negative };
constexpr std::array<std::string_view, 2> names_of(CosineForm) { return {"distance", "negative"}; }

/// For a row y and its target t: 1 - c, or -c (Keras), with c = y.t/(max(|y|, eps) max(|t|, eps)) as PyTorch's
/// cosine_similarity. Keras multiplies by min(1/|y|, 1/eps) with eps = 1e-7, which is the same; Optax holds the squared
/// norms above an epsilon, which is eps^2 here. The derivative by y is c y/|y|^2 - t/(|y| |t|); where |y| <= eps the
/// norm is a constant, and the first term 0 (PyTorch keeps it). With eps = 0 a row of zeros has c = 0 and derivative 0.
/// Sums are of fp32 squares: norms may lie between 1e-15 and 1e18.
struct CosineSimilarity {
  static constexpr std::string_view name = "cosine_similarity";
  static constexpr std::string_view formula = "1 - y.t/(|y| |t|), or -y.t/(|y| |t|)";
  static constexpr std::string_view summary = "the angle between a row and its target, whatever their lengths";
  static constexpr Domain prediction = Domain::real, target = Domain::real;
  static constexpr Inputs inputs{};
  static constexpr Budget budget{4, 16, "where products of a row cancel, every element takes the error of the cosine"};
  static constexpr RowShape row{.target = RowTarget::dense, .sums = {3, 0}};
  CosineForm form = CosineForm::distance;
  double eps = 1e-8;
  static void fields(auto&& field) {
    field("form", &CosineSimilarity::form, Range{}, "1 - cosine, or the negative cosine");
    field("eps", &CosineSimilarity::eps, kNonNegative, "norms are at least this");
  }

  template <int sweep, class S>
  FUSELAGE_HD void terms(const RowElement<S>& e, const S*, S* out) const {
    out[0] = e.x[0] * e.t;
    out[1] = e.x[0] * e.x[0];
    out[2] = e.t * e.t;
  }
  /// k: cosine, 1/(|y| |t|), cosine/|y|^2, and what float takes from the last two
  template <int sweep>
  FUSELAGE_HD void gather(const RowFacts&, const double* sums, double* k) const {
    const double y = sqrt(sums[1]), t = sqrt(sums[2]);
    const double product = (y < eps ? eps : y) * (t < eps ? eps : t);
    k[1] = product == 0 ? 0 : 1 / product;
    k[0] = sums[0] * k[1];
    k[2] = y <= eps ? 0 : k[0] / sums[1];
    for (int i = 1; i < 3; ++i) k[i + 2] = k[i] - static_cast<double>(static_cast<float>(k[i]));
  }
  FUSELAGE_HD double value(const RowFacts&, const double* k) const {
    return form == CosineForm::distance ? 1 - k[0] : -k[0];
  }
  template <class S>
  FUSELAGE_HD void gradient(const RowElement<S>& e, const S* k, S* g) const {
    g[0] = fma(k[2], e.x[0], fma(-k[1], e.t, fma(k[4], e.x[0], -(k[3] * e.t))));
  }
};

}  // namespace fuselage::loss
