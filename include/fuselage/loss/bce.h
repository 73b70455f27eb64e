// Binary cross-entropy on probabilities.
#pragma once

#include "fuselage/core/field.h"
#include "fuselage/core/math.h"
#include "fuselage/loss/concepts.h"

namespace fuselage::loss {

/// value -(w t L(p) + (1 - t) L(1 - p)), w = pos_weight, for a probability p in [0, 1] and a target t in [0, 1], where
/// L(x) is log x, but never below -100 (PyTorch's floor), so p = 0 and p = 1 are defined. With clip > 0, p is first
/// clipped to [clip, 1 - clip] (Keras clips at 1e-7). The derivative is that of this value: -w t/p + (1 - t)/(1 - p),
/// each term 0 where its floor acts, and 0 where p is clipped. (PyTorch's own gradient keeps a slope of 1e12 there.)
/// Label smoothing s makes the target t (1 - s) + s/2 first, as Keras.
/// Prefer bce_with_logits: a probability has lost what its logit knew.
struct Bce {
  static constexpr std::string_view name = "bce";
  static constexpr std::string_view formula = "-(pos_weight t log p + (1 - t) log(1 - p)), logs floored at -100";
  static constexpr std::string_view summary = "binary cross-entropy on probabilities in [0, 1]";
  static constexpr Decision decision = Decision::probability;
  static constexpr Domain prediction = Domain::probability, target = Domain::probability;
  static constexpr Budget budget{4, 6, "a quotient of the rounded target and the rounded rest of the probability"};
  double clip = 0;
  double pos_weight = 1;
  double label_smoothing = 0;
  static void fields(auto&& field) {
    field("clip", &Bce::clip, Range{0, 0.5, false, true}, "p is clipped to [clip, 1 - clip], with gradient 0 outside");
    field("pos_weight", &Bce::pos_weight, kNonNegative, "weight of target 1 against target 0");
    field("label_smoothing", &Bce::label_smoothing, kFraction, "targets become t (1 - s) + s/2");
  }

  template <class S>
  FUSELAGE_HD ValueGrad<S> operator()(S y, S t) const {
    const S low = S(clip), high = S(1) - low, zero = S(0);
    const S keep = S(1 - label_smoothing), spread = S(0.5 * label_smoothing);
    const S yes = S(pos_weight) * fma(t, keep, spread), no = fma(S(1) - t, keep, spread);
    const auto clips = low > zero;
    const auto under = clips & (y < low), over = clips & (y > high);
    const S p = select(under, low, select(over, high, y));
    // NaN outside [0, 1], as the value of a mistake should be. 1 - clip loses digits of clip, so what is clipped above
    // takes its logarithms from clip itself.
    const S log_p = select(over, log1p(-low), log(p)), log_q = select(over, log(low), log1p(-p));
    const auto floor_p = log_p < S(-100), floor_q = log_q < S(-100);
    const S rise = select(floor_q | (no == zero), zero, no / (S(1) - p)),
            fall = select(floor_p | (yes == zero), zero, yes / p);
    const S value = fma(-yes, select(floor_p, S(-100), log_p), -(no * select(floor_q, S(-100), log_q)));
    return {value, select(under | over, zero, select(value == value, rise - fall, value))};
  }
};

}  // namespace fuselage::loss
