// The multi-class margin loss.
#pragma once

#include <optional>

#include "fuselage/core/field.h"
#include "fuselage/core/math.h"
#include "fuselage/loss/row.h"

namespace fuselage::loss {

/// For a row of scores x with label y: w_y/C sum over c other than y of max(0, margin - x_y + x_c)^p, p = 1 or 2, with
/// the label's class weight w_y, as PyTorch (which divides the mean by the rows, not by their class weights: that is
/// Reduction::mean_over_batch). The derivative is 0 at the kink. A score of -inf costs nothing.
struct MultiMargin {
  static constexpr std::string_view name = "multi_margin";
  static constexpr std::string_view formula = "1/C sum over c != y of max(0, margin - x_y + x_c)^p";
  static constexpr std::string_view summary = "every class that comes near the label's score, by how near it comes";
  static constexpr Domain prediction = Domain::real, target = Domain::real;
  static constexpr Inputs inputs{};
  static constexpr RowShape row{.target = RowTarget::labels, .sums = {2, 0}};
  std::int64_t p = 1;
  double margin = 1;
  std::optional<std::int64_t> ignore_index;
  static void fields(auto&& field) {
    field("p", &MultiMargin::p, Range{1, 2}, "1: linear, 2: squared");
    field("margin", &MultiMargin::margin, kAnyFinite, "lead that the label should have");
    field("ignore_index", &MultiMargin::ignore_index, Range{}, "rows with this label are left out");
  }

  /// max(0, ...), and 0 for the label. Whichever two of the three numbers cancel, the digits of the third count.
  template <class S>
  FUSELAGE_HD S excess(const RowElement<S>& e, const S* k) const {
    const ExactSum<S> sum = exact_sum(e.x[0], k[0], S(margin));
    const S lead = sum.v + sum.low;
    return select((e.t > S(0)) | (lead <= S(0)), S(0), lead);
  }
  template <class S>
  FUSELAGE_HD S slope(S excess) const {
    return p == 2 ? excess : select(excess > S(0), S(1), excess);
  }

  /// k: x_y, p w_y/C, the label's derivative, value
  FUSELAGE_HD void start(const RowFacts& facts, double* k) const {
    k[0] = facts.label_x;
    k[1] = static_cast<double>(p) * facts.label_weight / static_cast<double>(facts.cols);
  }
  template <int sweep, class S>
  FUSELAGE_HD void terms(const RowElement<S>& e, const S* k, S* out) const {
    const S z = excess(e, k);
    out[0] = p == 2 ? z * z : z;
    out[1] = slope(z);
  }
  template <int sweep>
  FUSELAGE_HD void gather(const RowFacts& facts, const double* sums, double* k) const {
    k[2] = -k[1] * sums[1];
    k[3] = facts.label_weight / static_cast<double>(facts.cols) * sums[0];
  }
  FUSELAGE_HD double value(const RowFacts&, const double* k) const { return k[3]; }
  template <class S>
  FUSELAGE_HD void gradient(const RowElement<S>& e, const S* k, S* g) const {
    g[0] = select(e.t > S(0), k[2], k[1] * slope(excess(e, k)));
  }
};

}  // namespace fuselage::loss
