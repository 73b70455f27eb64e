// Mean squared error.
#pragma once

#include "fuselage/core/field.h"
#include "fuselage/loss/concepts.h"

namespace fuselage::loss {

/// value (y - t)^2, derivative 2 (y - t). No factor 1/2 (as PyTorch and Keras; Optax's l2_loss has one).
struct Mse {
  static constexpr std::string_view name = "mse";
  static constexpr std::string_view formula = "(y - t)^2";
  static constexpr std::string_view summary = "mean squared error; regression with Gaussian noise";
  static constexpr Decision decision = Decision::none;
  static constexpr Domain prediction = Domain::real, target = Domain::real;
  static void fields(auto&&) {}

  template <class S>
  FUSELAGE_HD ValueGrad<S> operator()(S y, S t) const {
    const S d = y - t;
    return {d * d, d + d};
  }
};

}  // namespace fuselage::loss
