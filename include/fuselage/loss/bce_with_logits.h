// Binary cross-entropy on logits.
#pragma once

#include "fuselage/core/field.h"
#include "fuselage/core/math.h"
#include "fuselage/loss/concepts.h"

namespace fuselage::loss {

/// For a logit x and a target t in [0, 1]: value w t log(1 + e^-x) + (1 - t) log(1 + e^x), which for w = pos_weight = 1
/// is log(1 + e^x) - t x; derivative (1 - t) sigmoid(x) - w t sigmoid(-x). Label smoothing s makes the target t (1 - s)
/// + s/2 first. As PyTorch, whose smoothing is left to the caller; s as in Keras. Written from e = exp(-|x|), so
/// nothing overflows and nothing cancels in the value; in the derivative the small term e/(1 + e) survives where the
/// sigmoid would round to 1.
struct BceWithLogits {
  static constexpr std::string_view name = "bce_with_logits";
  static constexpr std::string_view formula = "pos_weight t log(1 + e^-x) + (1 - t) log(1 + e^x)";
  static constexpr std::string_view summary = "binary cross-entropy on logits";
  static constexpr Decision decision = Decision::logit;
  static constexpr Domain prediction = Domain::logit, target = Domain::probability;
  double pos_weight = 1;
  double label_smoothing = 0;
  static void fields(auto&& field) {
    field("pos_weight", &BceWithLogits::pos_weight, kNonNegative, "weight of target 1 against target 0");
    field("label_smoothing", &BceWithLogits::label_smoothing, kFraction, "targets become t (1 - s) + s/2");
  }

  template <class S>
  FUSELAGE_HD ValueGrad<S> operator()(S y, S t) const {
    const auto tail = logistic_tail(y);
    const auto positive = y >= S(0);
    const S keep = S(1 - label_smoothing), spread = S(0.5 * label_smoothing);
    const S yes = S(pos_weight) * fma(t, keep, spread), no = fma(S(1) - t, keep, spread), both = yes + no;
    const S value = fma(both, tail.log1p_exp, select(positive, no * y, yes * -y));
    const S share = both * tail.sigmoid;
    const S grad = select(positive, no - share, share - yes);
    return {value, select(value == value, grad, value)};
  }
};

}  // namespace fuselage::loss
