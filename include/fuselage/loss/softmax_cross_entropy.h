// Softmax cross-entropy.
#pragma once

#include <optional>
#include <tuple>

#include "fuselage/core/field.h"
#include "fuselage/loss/concepts.h"

namespace fuselage::loss {

/// For a row of C logits x and coefficients q: value sum_c q_c (lse(x) - x_c), derivative p_c sum(q) - q_c, where
/// lse(x) = log sum_c exp(x_c) and p = softmax(x).
///  - Class labels y: q_c = w_c ((1 - s) [c = y] + s/C), with label smoothing s and class weights w (1 when not given);
///    the row weighs w_y in the divisor of `mean` (as PyTorch).
///  - Dense targets t, which need not sum to 1: q_c = w_c ((1 - s) t_c + s/C); the row weighs 1 (as PyTorch).
/// A logit of -inf has probability 0 and, where q_c = 0, adds nothing. A row whose logits are all -inf, or that holds
/// NaN or +inf, is NaN. Rows labelled `ignore_index` are left out; any other label outside [0, C) is a bad label. See
/// core/softmax.h for how it is computed in one sweep, and small losses exactly.
struct SoftmaxCrossEntropy {
  static constexpr std::string_view name = "softmax_cross_entropy";
  static constexpr std::string_view formula = "sum_c q_c (log sum_j exp(x_j) - x_c)";
  static constexpr std::string_view summary = "multi-class cross-entropy on logits; class labels or dense targets";
  using is_row_loss = void;
  double label_smoothing = 0;
  std::optional<std::int64_t> ignore_index;
  static constexpr auto fields() {
    return std::tuple{
        Field{"label_smoothing", &SoftmaxCrossEntropy::label_smoothing, kFraction, "mass s spread evenly over classes"},
        Field{"ignore_index", &SoftmaxCrossEntropy::ignore_index, Range{}, "rows with this label are left out"}};
  }
};

}  // namespace fuselage::loss
