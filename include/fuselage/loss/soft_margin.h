// The soft margin loss.
#pragma once

#include "fuselage/core/field.h"
#include "fuselage/core/math.h"
#include "fuselage/loss/concepts.h"

namespace fuselage::loss {

/// value log(1 + e^(-t y)) for a score y and a label t of -1 or +1; derivative -t sigmoid(-t y); smooth. As PyTorch,
/// where the exponential overflows at -t y = 88; it is bce_with_logits with labels -1 and +1.
struct SoftMargin {
  static constexpr std::string_view name = "soft_margin";
  static constexpr std::string_view formula = "log(1 + e^(-t y))";
  static constexpr std::string_view summary = "logistic loss; labels -1 and +1";
  static constexpr Decision decision = Decision::sign;
  static constexpr Domain prediction = Domain::score, target = Domain::sign;
  static void fields(auto&&) {}

  template <class S>
  FUSELAGE_HD ValueGrad<S> operator()(S y, S t) const {
    const S margin = t * y;
    const auto tail = logistic_tail(margin);
    const auto wrong = margin < S(0);
    const S share = select(wrong, S(1) - tail.sigmoid, tail.sigmoid);
    return {select(wrong, -margin, S(0)) + tail.log1p_exp, -(t * share)};
  }
};

}  // namespace fuselage::loss
