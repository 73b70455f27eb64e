// The arithmetic around a loss of rows (loss/row.h) that every driver does alike, so that backends agree to the bit.
//
// What is not here is order alone: sums go through the columns as core/partition.h says, chunk by chunk in fp32, chunk
// sums added as doubles in the order of the chunks.
#pragma once

#include "fuselage/core/softmax.h"
#include "fuselage/loss/row.h"
#include "fuselage/loss_pass.h"

namespace fuselage {

/// What the elements of a row know of its softmax.
template <class S>
struct RowSoftmax {
  SoftmaxBase<S> base;  ///< of the maximum of the whole row
  S max;
  S excess, excess_low;  ///< log sum exp(x) - max, and what it was rounded off by
  S scale, least;        ///< p = term * scale, 0 where that would be denormal
  S peak;                ///< the maximum where its p is above 1/2, else NaN, which equals no x
  S complement;          ///< 1 - p of the peak
  S complement_low;      ///< and what it was rounded off by

  template <class V>
  FUSELAGE_HD RowSoftmax<V> in() const {
    return {{V(base.offset), V(base.magic), V(base.low)},
            V(max),
            V(excess),
            V(excess_low),
            V(scale),
            V(least),
            V(peak),
            V(complement),
            V(complement_low)};
  }
};

/// From the maximum of a row, NaN passed over; the sum of softmax_term(x, softmax_base(max)) over the elements that are
/// not equal to it; and how many are. Sets facts.log_sum.
FUSELAGE_HD RowSoftmax<float> row_softmax(float max, double rest, std::int64_t ties, RowFacts& facts) {
  const SoftmaxBase<float> base = softmax_base(max);
  const double top = static_cast<double>(softmax_term(max, base));
  const double odds = rest / top + static_cast<double>(ties - 1);
  const double excess = log1p(odds), complement = odds / (1 + odds);
  const float scale = static_cast<float>(1 / (top * (1 + odds)));
  facts.log_sum = static_cast<double>(max) + excess;
  facts.odds = odds;
  return {base,
          max,
          static_cast<float>(excess),
          static_cast<float>(excess - static_cast<double>(static_cast<float>(excess))),
          scale,
          softmax_least(scale),
          complement < 0.5 ? max : __builtin_nanf(""),
          static_cast<float>(complement),
          static_cast<float>(complement - static_cast<double>(static_cast<float>(complement)))};
}

/// Tells an element, whose x is set, of the softmax.
template <class S>
FUSELAGE_HD void set_softmax(const RowSoftmax<S>& row, RowElement<S>& e) {
  const S x = e.x[0];
  e.p = softmax_scaled(softmax_term(x, row.base), row.scale, row.least);
  const S gap = row.max - x, back = gap - row.max, sum = gap + row.excess, more = sum - gap;
  const S gap_low = (row.max - (gap - back)) - (x + back), sum_low = (gap - (sum - more)) + (row.excess - more);
  e.log_p = -sum;
  e.log_p_low = -(gap_low + (sum_low + row.excess_low));
  const auto is_peak = x == row.peak;
  e.rest = select(is_peak, row.complement, S(1) - e.p);
  const TwoPart<S> p = exp_in_two_parts(greater_of(S(-86), e.log_p));
  e.rest_low = select(is_peak, row.complement_low, ((S(1) - e.rest) - p.high) - fma(p.high, e.log_p_low, p.low));
}

/// The steps of a loss that it may lack.
template <class L>
FUSELAGE_HD void row_start(const L& loss, const RowFacts& facts, double* k) {
  if constexpr (requires { loss.start(facts, k); }) loss.start(facts, k);
}
template <int sweep, class L>
FUSELAGE_HD void row_gather(const L& loss, const RowFacts& facts, const double* sums, double* k) {
  if constexpr (requires { loss.template gather<sweep>(facts, sums, k); }) loss.template gather<sweep>(facts, sums, k);
}

/// How many sweeps a loss needs as its fields are.
template <class L>
FUSELAGE_HD int row_sweeps(const L& loss) {
  if constexpr (requires { loss.sweeps(); })
    return loss.sweeps();
  else
    return L::row.sweeps;
}

/// The probability of a row's greatest prediction x, for calibration, within [0, 1]; 0 where the loss has none.
template <class L>
FUSELAGE_HD double row_confidence(const L& loss, const RowFacts& facts, const double* k, double x) {
  double p = 0;
  if constexpr (requires { loss.confidence(facts, k, x); })
    p = loss.confidence(facts, k, x);
  else if constexpr (L::row.softmax)
    p = 1 / (1 + facts.odds);
  return lesser_of(1.0, greater_of(0.0, p));
}

/// Whether a row may be right in accuracy and top_k; one whose value is NaN never is. `value` is not yet weighted.
FUSELAGE_HD bool row_may_be_right(double value) { return value == value; }

/// What multiplies the derivatives of a row. A row without a value has none: NaN goes into every element, also of
/// formulas whose derivative does not look at what is NaN.
FUSELAGE_HD float row_scale(double scale, double value) {
  return value == value ? static_cast<float>(scale) : __builtin_nanf("");
}

/// Whether a loss leaves out rows with a label of its choice.
template <class L>
constexpr bool has_ignore_index(const L& loss) {
  if constexpr (requires { loss.ignore_index; })
    return loss.ignore_index.has_value();
  else
    return false;
}

/// Whether a row of a label takes the class weights of all classes, not its label's alone.
template <class L>
FUSELAGE_HD constexpr bool spreads_labels(const L& loss) {
  if constexpr (requires { loss.label_smoothing; })
    return loss.label_smoothing > 0;
  else
    return false;
}

/// The domain of a loss's targets; real where it names none.
template <class L>
constexpr Domain target_domain() {
  if constexpr (requires { L::target; })
    return L::target;
  else
    return Domain::real;
}

}  // namespace fuselage
