// A loss of rows: a few sums over each row, a value from them, and a derivative for every element of its inputs.
//
// For a row of n columns the driver does, in this order:
//  1. where `row.softmax`: the maximum of the prediction, and the sum of exp(x - max) over the others (core/softmax.h);
//  2. where `row.most`: the greatest number that `ranked` gives, and where it stands first;
//  3. facts of the row, and `start(facts, k)`, which sets the row's coefficients k, in double;
//  4. for sweep = 0 ... row.sweeps - 1: the sums over the columns of what `terms<sweep>(element, k, out)` puts out,
//     each in the canonical order of core/partition.h within a chunk of 4,096 columns (fp32), chunk sums added as
//     doubles in the order of the chunks; then `gather<sweep>(facts, sums, k)`, in double, which may set coefficients;
//  5. the row's value, `value(facts, k)`, in double;
//  6. for every element `gradient(element, k, g)`: the derivatives of the value by the inputs, times the row's scale;
//     NaN for all of them where the value is NaN.
// Of a loss with classes whose rows have probabilities, `confidence(facts, k, x)` is that of the class whose prediction
// is x, in double; softmax losses need not say it.
// Coefficients reach elements rounded to float. A row that is masked, ignored or bad is not looked at.
#pragma once

#include <cstdint>

#include "fuselage/core/scalar.h"
#include "fuselage/loss/concepts.h"

namespace fuselage {

/// What the target of a row loss is.
enum class RowTarget : std::uint8_t {
  classes,  ///< [rows, 1] labels of an integer type, or [rows, cols] coefficients of the classes
  labels,   ///< [rows, 1] labels of an integer type
  dense,    ///< [rows, cols] numbers
  single,   ///< [rows, 1] one number for each row, real or of an integer type
  none,     ///< there is no target
};

inline constexpr int kRowInputs = 3;        ///< the most inputs of a row loss
inline constexpr int kRowSums = 4;          ///< the most sums of a sweep
inline constexpr int kRowCoefficients = 8;  ///< the most coefficients of a row

/// What the driver must do for a loss.
struct RowShape {
  RowTarget target = RowTarget::classes;
  bool softmax = false;     ///< elements know their probability
  bool most = false;        ///< the loss ranks its elements
  int sweeps = 1;           ///< 0 to 2; a loss that can do with fewer says so by a member function sweeps()
  int sums[2] = {1, 0};     ///< of each sweep
  bool row_second = false;  ///< `second` is [rows, 1] fp32, a constant of the row
};

/// A column of a row.
template <class S>
struct RowElement {
  S x[kRowInputs];  ///< prediction, second, third; 0 where there is none
  S t;              ///< dense: the target; labels: 1 for the label's class and 0 elsewhere
  S w;              ///< class weight, 1 where none is given
  /// softmax(x), its logarithm, and 1 - p, which is small and exact where p is near 1; softmax losses alone.
  S p, log_p, rest;
  S log_p_low, rest_low;  ///< what log_p and rest were rounded off by; softmax losses alone
  S most;                 ///< 1 for the element that ranks first, else 0; losses that rank alone
};

/// The sum a - b + c of three floats to twice their digits: v is a - b + c but for two roundings, `low` what they cost;
/// 0 where v is not finite.
template <class S>
struct ExactSum {
  S v, low;
};
template <class S>
FUSELAGE_HD ExactSum<S> exact_sum(S a, S b, S c) {
  const S gap = a - b, back = gap - a, v = gap + c, more = v - gap;
  const S low = ((a - (gap - back)) - (b + back)) + ((gap - (v - more)) + (c - more));
  return {v, select(low == low, low, S(0))};
}
template <class S>
FUSELAGE_HD S square(ExactSum<S> d) {
  return fma(d.v, d.v, (d.v + d.v) * d.low);
}

/// A class's coefficient w (keep t + even): class weight w, t as in RowElement, keep = 1 - s and even = s/C with label
/// smoothing s; 0 where that factor is, whatever the weight.
template <class S>
FUSELAGE_HD S class_coefficient(const RowElement<S>& e, S keep, S even) {
  const S share = fma(keep, e.t, even);
  return select(share == S(0), S(0), e.w * share);
}

/// The derivative of sum_c q_c f(p_c), p = softmax(x), by the element's x: q h - p H with h = p f'(p) and H the sum of
/// all q h. The element above 1/2, where there is one, takes q h (1 - p) - p (H of the others), which does not cancel.
/// `peak` is what sum_of_peak() adds up to, `others` what sum_of_others() does.
template <class S>
FUSELAGE_HD S sum_of_peak(const RowElement<S>& e, S qh) {
  return select(e.p > S(0.5), qh, S(0));
}
template <class S>
FUSELAGE_HD S sum_of_others(const RowElement<S>& e, S qh) {
  return select(e.p > S(0.5), S(0), qh);
}
template <class S>
FUSELAGE_HD S through_softmax(const RowElement<S>& e, S qh, S peak, S others) {
  const auto above = e.p > S(0.5);
  return fma(-e.p, select(above, others, peak + others), qh * select(above, e.rest, S(1)));
}

/// What is known of a row as a whole.
struct RowFacts {
  std::int64_t cols = 0;
  std::int64_t label = -1;    ///< -1 where there are no labels
  double label_x = 0;         ///< the prediction of the label's class
  double label_weight = 1;    ///< its class weight
  double single = 0;          ///< the row's own target
  double second = 0;          ///< the row's own second input, where it is [rows, 1]
  double log_sum = 0;         ///< log sum exp(x), softmax losses alone
  double odds = 0;            ///< against one of the largest predictions, likewise
  double most = 0;            ///< the greatest `ranked`, -inf where nothing is ranked
  std::int64_t most_at = -1;  ///< where it stands first, -1 where nothing is ranked
};

namespace loss {

/// A row loss. `terms`, `ranked` and `gradient` are templates on the scalar S; what a loss does not use it need not
/// have.
template <class L>
concept RowSums = requires {
  { L::row } -> std::convertible_to<RowShape>;
  { L::inputs } -> std::convertible_to<Inputs>;
  { L::prediction } -> std::convertible_to<Domain>;
  { L::name } -> std::convertible_to<std::string_view>;
};

}  // namespace loss
}  // namespace fuselage
