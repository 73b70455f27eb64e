// The multi-class hinge loss.
#pragma once

#include <optional>

#include "fuselage/core/field.h"
#include "fuselage/core/math.h"
#include "fuselage/loss/row.h"

namespace fuselage::loss {

/// For a row of scores x with label y: w_y max(0, 1 + m - x_y), where m is the greatest score of the other classes and
/// w_y the label's class weight. As Optax; Keras ranks a 0 among the others, for it multiplies scores by 1 - onehot:
/// `zero` does likewise, the 0 in the label's place, and where it is the first of the greatest only the label has a
/// derivative. The derivative is -w_y for the label and w_y for the first of the greatest; 0 at the kink. One class
/// alone, or -inf for all others, costs 0. Crammer and Singer, JMLR 2 (2001).
struct CategoricalHinge {
  static constexpr std::string_view name = "categorical_hinge";
  static constexpr std::string_view formula = "max(0, 1 + max over c != y of x_c - x_y)";
  static constexpr std::string_view summary = "the lead of the label's score over the best of the others";
  static constexpr Domain prediction = Domain::real, target = Domain::real;
  static constexpr Inputs inputs{};
  static constexpr RowShape row{.target = RowTarget::labels, .most = true};
  bool zero = false;
  std::optional<std::int64_t> ignore_index;
  static void fields(auto&& field) {
    field("zero", &CategoricalHinge::zero, Range{}, "ranks a 0 among the other scores, as Keras");
    field("ignore_index", &CategoricalHinge::ignore_index, Range{}, "rows with this label are left out");
  }

  template <class S>
  FUSELAGE_HD S ranked(const RowElement<S>& e) const {
    return select(e.t > S(0), S(zero ? 0 : -__builtin_inf()), e.x[0]);
  }
  /// NaN, which ranks nowhere, makes the row NaN. k: slope, value
  template <int sweep, class S>
  FUSELAGE_HD void terms(const RowElement<S>& e, const S*, S* out) const {
    out[0] = select(e.x[0] == e.x[0], S(0), e.x[0]);
  }
  template <int sweep>
  FUSELAGE_HD void gather(const RowFacts& facts, const double* sums, double* k) const {
    const double lead = ((facts.most - facts.label_x) + 1) + sums[0];
    const bool none = facts.most_at < 0 || lead <= 0;
    k[0] = (none ? 0 : facts.label_weight) + sums[0];
    k[1] = none ? sums[0] : facts.label_weight * lead;
  }
  FUSELAGE_HD double value(const RowFacts&, const double* k) const { return k[1]; }
  template <class S>
  FUSELAGE_HD void gradient(const RowElement<S>& e, const S* k, S* g) const {
    g[0] = k[0] * select(e.t > S(0), S(-1), e.most);
  }
};

}  // namespace fuselage::loss
