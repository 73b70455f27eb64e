// The arithmetic of a sum of losses, the same for every backend: what multiplies each term, and what they come to.
#pragma once

#include <cstdint>

#include "fuselage/batch.h"
#include "fuselage/core/math.h"

namespace fuselage {

inline constexpr int kMaxTerms = 32;  ///< of a sum of losses

/// The weights of a sum's terms.
struct TermWeights {
  double weight[kMaxTerms] = {};
  std::int32_t count = 0;
};

/// What multiplies term i: its weight, times exp(-s_i) where log variances s are learned.
FUSELAGE_HD double term_factor(const TermWeights& terms, const float* log_variances, std::int32_t i) {
  return log_variances ? terms.weight[i] * exp(-static_cast<double>(log_variances[i])) : terms.weight[i];
}

/// The sum of the terms' reports, and the gradient of the log variances, times `scale`.
FUSELAGE_HD LossReport total_of(const TermWeights& terms, const LossReport* reports, const float* log_variances,
                                float* log_variance_gradient, float scale) {
  LossReport total;
  for (std::int32_t i = 0; i < terms.count; ++i) {
    const LossReport& term = reports[i];
    const double part = term_factor(terms, log_variances, i) * term.value;
    total.value = total.value + part;
    if (log_variances) {
      total.value = total.value + 0.5 * static_cast<double>(log_variances[i]);
      log_variance_gradient[i] = from_float<float>(static_cast<float>(static_cast<double>(scale) * (0.5 - part)));
    }
    total.count += term.count;
    if (total.bad_labels == 0 && term.bad_labels > 0) {
      total.first_bad_row = term.first_bad_row;
      total.first_bad_label = term.first_bad_label;
    }
    if (total.bad_weights == 0) {
      total.first_bad_weight_row = term.first_bad_weight_row;
      total.first_bad_weight = term.first_bad_weight;
    }
    total.bad_labels += term.bad_labels;
    total.bad_weights += term.bad_weights;
    total.nonfinite += term.nonfinite;
    total.rejected = total.rejected || term.rejected || term.nonfinite > 0;
  }
  total.value = canonical_nan(total.value);
  total.value_sum = total.value;
  return total;
}

/// Sum |p|, and sum p^2, of all parameters of a set: fp32 lanes and chunks of each tensor, doubles in the order of the
/// tensors' chunks.
struct ParameterNorms {
  double l1 = 0, squared_l2 = 0;
};

}  // namespace fuselage
