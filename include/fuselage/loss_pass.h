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
  return b.weight || b.mask || b.lengths || b.class_weight || has_ignore_index || b.bad_labels == BadLabels::ignore;
}

/// Where row r stands among sequences of `steps` rows, given the length of its own.
struct Step {
  bool counts, bad;
};
FUSELAGE_HD constexpr bool is_length(std::int64_t length, std::int64_t steps) { return length >= 0 && length <= steps; }
FUSELAGE_HD constexpr Step step_of(std::int64_t r, std::int64_t steps, std::int64_t length) {
  const bool good = is_length(length, steps);
  return {good && r % steps < length, !good && r % steps == 0};
}

/// What an output that counts, of this weight, adds to the weight sum.
FUSELAGE_HD auto divisor_weight(Reduction reduction, auto weight) {
  return reduction == Reduction::mean_over_counted ? decltype(weight)(1) : weight;
}

/// What the sum of the values is divided by, and every derivative with it; 0 where nothing counts, and then both are 0.
/// `given` is LossBatch::divisor.
FUSELAGE_HD double divisor_of(Reduction reduction, double given, double weight_sum, std::int64_t rows,
                              std::int64_t outputs) {
  if (reduction == Reduction::sum || reduction == Reduction::none) return 1;
  if (given > 0) return given;
  if (reduction == Reduction::mean_over_batch) return static_cast<double>(rows);
  if (reduction == Reduction::mean_over_outputs) return static_cast<double>(outputs);
  return weight_sum;
}

/// What multiplies every derivative, but for the weight and the upstream gradient of its own output: upstream * scale
/// over the divisor; 0 where nothing counts.
FUSELAGE_HD float gradient_scale(double divisor, float scale, float upstream) {
  const double numerator = static_cast<double>(scale) * static_cast<double>(upstream);
  return divisor > 0 ? static_cast<float>(numerator / divisor) : 0.0f;
}

/// For a value that is the root of the reduced sum: what its derivatives are multiplied by beside gradient_scale(); 0
/// at 0.
FUSELAGE_HD double root_slope(double reduced) { return reduced > 0 ? 0.5 / sqrt(reduced) : 0.0 * reduced; }

/// gradient_scale() of the second pass of such a value: `scale` is that of the mean or sum under the root.
FUSELAGE_HD float root_scale(float scale, double reduced) {
  return static_cast<float>(static_cast<double>(scale) * root_slope(reduced));
}

/// Fills `value` and `rejected` from the sums and counts, which are set.
FUSELAGE_HD void finish_report(LossReport& report, Reduction reduction, double divisor, BadLabels policy, bool root) {
  const double zero = 0.0;
  report.rejected =
      report.nonfinite > 0 || report.bad_weights > 0 || (policy == BadLabels::error && report.bad_labels > 0);
  report.value_sum = canonical_nan(report.value_sum);
  report.first_bad_label = canonical_nan(report.first_bad_label);
  report.first_bad_weight = canonical_nan(report.first_bad_weight);
  report.abs_error_sum = canonical_nan(report.abs_error_sum);
  report.squared_error_sum = canonical_nan(report.squared_error_sum);
  report.target_sum = canonical_nan(report.target_sum);
  report.target_squared_sum = canonical_nan(report.target_squared_sum);
  report.value = divisor > 0 ? report.value_sum / divisor : zero;
  if (reduction == Reduction::none) report.value = zero;
  if (root) report.value = sqrt(report.value);
  report.value = canonical_nan(report.value);
}

/// Whether a target is one that the formula is made for; false for NaN. Others are bad labels.
template <Domain kDomain, class S>
FUSELAGE_HD auto in_domain(S t) {
  if constexpr (kDomain == Domain::probability)
    return (t >= S(0)) & (t <= S(1));
  else if constexpr (kDomain == Domain::sign)
    return (t == S(1)) | (t == S(-1));
  else if constexpr (kDomain == Domain::positive)
    return t > S(0);
  else if constexpr (kDomain == Domain::non_negative || kDomain == Domain::count)
    return t >= S(0);
  else
    return t == t;
}

/// The same for a domain that is known at run time.
template <class S>
FUSELAGE_HD decltype(S(0) == S(0)) in_domain(Domain domain, S t) {
  switch (domain) {
    case Domain::probability: return in_domain<Domain::probability>(t);
    case Domain::sign: return in_domain<Domain::sign>(t);
    case Domain::positive: return in_domain<Domain::positive>(t);
    case Domain::non_negative:
    case Domain::count: return in_domain<Domain::non_negative>(t);
    default: return in_domain<Domain::real>(t);
  }
}

/// Whether a weight may be one: finite and not negative. An output with another is left out, and counted.
template <class S>
FUSELAGE_HD auto is_weight(S w) {
  return (w >= S(0)) & (w < S(__builtin_inf()));
}

/// What an element of a pointwise pass contributes.
template <class S>
struct Contribution {
  S value;  ///< weighted
  S gradient;
  S abs_error, squared_error;  ///< unweighted
  S second;                    ///< the derivative by the second prediction; 0 for losses of one
};

/// An element: prediction y, target t, `keep` false where it is left out, weight w (1 when there is none), and
/// factor = w * scale, times its own upstream gradient where it has one.
template <class S, class L, class M>
FUSELAGE_HD Contribution<S> contribution(const L& loss, S y, S t, M keep, S w, S factor) {
  const ValueGrad<S> out = value_and_gradient(loss, y, t);
  const S zero = S(0), d = y - t;
  return {select(keep, out.value * w, zero), select(keep, out.grad * factor, zero), select(keep, abs(d), zero),
          select(keep, d * d, zero), zero};
}

/// The same for a loss of two predictions y and z; errors are those of y.
template <class S, class L, class M>
FUSELAGE_HD Contribution<S> contribution(const L& loss, S y, S z, S t, M keep, S w, S factor) {
  const ValueGrads<S> out = loss(y, z, t);
  const S zero = S(0), d = y - t;
  return {select(keep, out.value * w, zero), select(keep, out.grad * factor, zero), select(keep, abs(d), zero),
          select(keep, d * d, zero), select(keep, out.second * factor, zero)};
}

/// What a prediction and a target of a loss that decides lie above where they are a yes.
FUSELAGE_HD constexpr double middle_of_predictions(Decision decision) {
  return decision == Decision::probability ? 0.5 : 0.0;
}
FUSELAGE_HD constexpr double middle_of_targets(Decision decision) { return decision == Decision::sign ? 0.0 : 0.5; }

/// Sets the decisions of a report whose count is set.
FUSELAGE_HD void set_decisions(LossReport& report, std::int64_t positives, std::int64_t chosen, std::int64_t hits) {
  report.positives = positives;
  report.chosen = chosen;
  report.hits = hits;
  report.correct = report.count - positives - chosen + 2 * hits;
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

FUSELAGE_HD float finite_limit(DType type) {
  if (type == DType::f32) return finite_limit<float>();
  return type == DType::bf16 ? finite_limit<bf16>() : finite_limit<f16>();
}

}  // namespace fuselage
