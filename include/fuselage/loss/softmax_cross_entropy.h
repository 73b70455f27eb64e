// Softmax cross-entropy.
#pragma once

#include <optional>

#include "fuselage/core/field.h"
#include "fuselage/loss/concepts.h"

namespace fuselage::loss {

/// For a row of C logits x and coefficients q: value sum_c q_c (lse(x) - x_c), derivative p_c sum(q) - q_c, where
/// lse(x) = log sum_c exp(x_c) and p = softmax(x).
///  - Class labels y: q_c = w_c ((1 - s) [c = y] + s/C), with label smoothing s and class weights w (1 when not given);
///    the row weighs w_y in the divisor of `mean` (as PyTorch).
///  - Dense targets t, which need not sum to 1: q_c = w_c ((1 - s) t_c + s/C); the row weighs 1 (as PyTorch).
/// Options of the logits, in this order: `temperature` T makes x' = x/T of them, with derivative 1/T; `softcap` c makes
/// x'' = c tanh(x'/c), with derivative 1 - (x''/c)^2, so that -inf becomes -c. lse and p are then of these. `z_loss` z
/// adds z lse(x)^2 to the value and 2 z lse(x) p_c to the derivative: weighed as its row, but not by class weights.
/// A logit of -inf has probability 0 and, where q_c = 0, adds nothing. A row whose logits are all -inf, or that holds
/// NaN or (without a softcap) +inf, is NaN. Rows labelled `ignore_index` are left out; any other label outside [0, C)
/// is a bad label. See core/softmax.h and core/softmax_shape.h for how it is computed in one sweep, and small losses
/// exactly.
struct SoftmaxCrossEntropy {
  static constexpr std::string_view name = "softmax_cross_entropy";
  static constexpr std::string_view formula = "sum_c q_c (log sum_j exp(x_j) - x_c)";
  static constexpr std::string_view summary = "multi-class cross-entropy on logits; class labels or dense targets";
  using is_row_loss = void;
  static constexpr Budget budget{
      4, 12,
      "p sum(q) - q cancels where a target holds nearly all, and with options each q is rounded; the "
      "slope of a softcap has 2.5 ulp of its own"};
  static constexpr double kLeast = 1e-9, kMost = 1e9;  ///< of the fields below
  double label_smoothing = 0;
  std::optional<std::int64_t> ignore_index;
  double z_loss = 0;
  double softcap = 0;
  double temperature = 1;
  void check() const {
    if (softcap > 0 && softcap < kLeast)
      throw Error(Errc::bad_argument, "softmax_cross_entropy: softcap is 0, which is none, or 1e-9 and more");
  }
  static void fields(auto&& field) {
    field("label_smoothing", &SoftmaxCrossEntropy::label_smoothing, kFraction, "mass s spread evenly over classes");
    field("ignore_index", &SoftmaxCrossEntropy::ignore_index, Range{}, "rows with this label are left out");
    field("z_loss", &SoftmaxCrossEntropy::z_loss, Range{0, kMost},
          "weight of lse(x)^2, which keeps logits from drifting");
    field("softcap", &SoftmaxCrossEntropy::softcap, Range{0, kMost}, "logits become softcap tanh(x/softcap); 0: none");
    field("temperature", &SoftmaxCrossEntropy::temperature, Range{kLeast, kMost}, "logits are divided by it first");
  }
};

}  // namespace fuselage::loss
