// Binary cross-entropy on logits.
#pragma once

#include <tuple>

#include "fuselage/core/field.h"
#include "fuselage/core/math.h"
#include "fuselage/loss/concepts.h"

namespace fuselage::loss {

/// value log(1 + e^x) - t x for a logit x and a target t in [0, 1]; derivative sigmoid(x) - t.
/// Written from e = exp(-|x|), so nothing overflows and nothing cancels: value max(x, 0) - t x + log1p(e), and for
/// x >= 0 the derivative is (1 - t) - e/(1 + e), whose small term survives where the sigmoid would round to 1.
struct BceWithLogits {
  static constexpr std::string_view name = "bce_with_logits";
  static constexpr std::string_view formula = "log(1 + e^x) - t x";
  static constexpr std::string_view summary = "binary cross-entropy on logits";
  static constexpr Decision decision = Decision::logit;
  static constexpr auto fields() { return std::tuple{}; }

  template <class S>
  FUSELAGE_HD ValueGrad<S> operator()(S y, S t) const {
    const auto tail = logistic_tail(y);
    const auto positive = y >= S(0);
    const S value = fma(-y, t, select(positive, y, S(0))) + tail.log1p_exp;
    const S grad = select(positive, (S(1) - t) - tail.sigmoid, tail.sigmoid - t);
    return {value, select(value == value, grad, value)};
  }
};

}  // namespace fuselage::loss
