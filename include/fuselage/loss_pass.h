// The arithmetic around a loss that every driver does alike: what is left out, what multiplies a value and a gradient,
// what becomes of the sums. Written once here, so that backends agree to the bit.
//
// A pass over [rows, cols] runs in this order. Sums are in the canonical order of core/partition.h.
//  1. Where needs_weight_sum() says so: a weight pass over targets, weights and mask alone. Pointwise: element i = r
//  cols
//     + c weighs w (0 when left out); fp32 chunk sums, then doubles. Row losses: row r weighs the double w_r, times
//     class_weight[label]; one sequence of doubles. Otherwise everything counts, with weight 1.
//  2. gradient_scale() of the weight sum.
//  3. The loss pass. Pointwise: lanes add value * w in fp32. Row losses: one double for each row, value * w, 0 for a
//  row
//     that is left out, and the sequence of rows is added in double.
//  4. finish_report().
#pragma once

#include "fuselage/batch.h"
#include "fuselage/core/partition.h"
#include "fuselage/core/scalar.h"
#include "fuselage/loss/evaluate.h"

namespace fuselage {

/// Whether the divisor is not known from the shape alone.
inline bool needs_weight_sum(const LossBatch& b, bool has_ignore_index) {
  return b.weight || b.mask || b.class_weight || has_ignore_index || b.bad_labels == BadLabels::ignore;
}

/// What multiplies every derivative, but for the weight and the upstream gradient of its own output: upstream * scale
/// over the divisor; 0 where nothing counts.
FUSELAGE_HD float gradient_scale(Reduction reduction, double weight_sum, std::int64_t rows, float scale,
                                 float upstream) {
  const double numerator = static_cast<double>(scale) * static_cast<double>(upstream);
  if (reduction == Reduction::mean) return weight_sum > 0 ? static_cast<float>(numerator / weight_sum) : 0.0f;
  if (reduction == Reduction::mean_over_batch)
    return rows > 0 ? static_cast<float>(numerator / static_cast<double>(rows)) : 0.0f;
  return static_cast<float>(numerator);
}

/// Fills `value` and `rejected` from the sums and counts, which are set.
FUSELAGE_HD void finish_report(LossReport& report, Reduction reduction, std::int64_t rows, BadLabels policy) {
  const double zero = 0.0;
  report.rejected = report.nonfinite > 0 || (policy == BadLabels::error && report.bad_labels > 0);
  report.value_sum = canonical_nan(report.value_sum);
  report.abs_error_sum = canonical_nan(report.abs_error_sum);
  report.squared_error_sum = canonical_nan(report.squared_error_sum);
  report.value = report.value_sum;
  if (reduction == Reduction::mean) report.value = report.weight_sum > 0 ? report.value_sum / report.weight_sum : zero;
  if (reduction == Reduction::mean_over_batch)
    report.value = rows > 0 ? report.value_sum / static_cast<double>(rows) : zero;
  if (reduction == Reduction::none) report.value = zero;
  report.value = canonical_nan(report.value);
}

/// What an element of a pointwise pass contributes.
template <class S>
struct Contribution {
  S value;  ///< weighted
  S gradient;
  S abs_error, squared_error;  ///< unweighted
};

/// An element: prediction y, target t, `keep` false where it is left out, weight w (1 when there is none), and
/// factor = w * scale, times its own upstream gradient where it has one.
template <class S, class L, class M>
FUSELAGE_HD Contribution<S> contribution(const L& loss, S y, S t, M keep, S w, S factor) {
  const ValueGrad<S> out = value_and_gradient(loss, y, t);
  const S zero = S(0), d = y - t;
  return {select(keep, out.value * w, zero), select(keep, out.grad * factor, zero), select(keep, abs(d), zero),
          select(keep, d * d, zero)};
}

/// Whether the decision on y agrees with that on t; false for losses without decisions.
template <class L, class S>
FUSELAGE_HD auto decides_right(S y, S t) {
  const S middle_y = S(L::decision == Decision::probability ? 0.5 : 0.0);
  const S middle_t = S(L::decision == Decision::sign ? 0.0 : 0.5);
  const auto up = y > middle_y, target_up = t > middle_t;
  return (up & target_up) | ((!up) & (!target_up));
}

/// The largest magnitude, exclusive, that rounds to a finite number of the storage type.
template <class T>
FUSELAGE_HD constexpr float finite_limit() {
  if constexpr (sizeof(T) == 4)
    return __builtin_inff();
  else if constexpr (dtype_of<T>() == DType::bf16)
    return 0x1.ffp127f;  // 0x7f7f8000 ties to even: to infinity
  else
    return 65520.0f;
}

}  // namespace fuselage
