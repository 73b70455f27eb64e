// What a loss is. A pointwise loss maps a prediction and a target to a value and its derivative; a row loss looks at a
// whole row of predictions. Everything that all losses share (weights, masks, reductions ...) is done by the drivers.
#pragma once

#include <concepts>
#include <string_view>

#include "fuselage/core/hd.h"

namespace fuselage {

/// A loss and its derivative by the prediction.
template <class S>
struct ValueGrad {
  S value, grad;
};

/// How a prediction is read as a decision, for accuracy.
enum class Decision {
  none,         ///< the loss has no classes
  probability,  ///< yes above 1/2; targets yes above 1/2
  logit,        ///< yes above 0; targets yes above 1/2
  sign,         ///< yes above 0; targets yes above 0
};

namespace loss {

/// `l(y, t)` gives {value, derivative by y}, for every scalar of core/scalar.h.
template <class L>
concept Pointwise = requires(const L l, float f) {
  { l(f, f) } -> std::same_as<ValueGrad<float>>;
  { L::decision } -> std::convertible_to<Decision>;
  { L::name } -> std::convertible_to<std::string_view>;
};

/// A loss on rows of logits; see softmax_cross_entropy.h for what its driver asks of it.
template <class L>
concept Row = !Pointwise<L> && requires {
  typename L::is_row_loss;
};

}  // namespace loss
}  // namespace fuselage
