// Root mean squared error.
#pragma once

#include "fuselage/core/field.h"
#include "fuselage/loss/concepts.h"

namespace fuselage::loss {

/// The root of the reduced (y - t)^2: of the mean, or of the sum, with weights and divisor under it; Reduction::none
/// leaves nothing to take a root of and is refused. Derivative (y - t)/(divisor * value), and 0 where the value is 0
/// (the root itself has no derivative there; PyTorch's sqrt of a mean gives NaN). `values` are those under the root.
struct Rmse {
  static constexpr std::string_view name = "rmse";
  static constexpr std::string_view formula = "root of the reduced (y - t)^2";
  static constexpr std::string_view summary = "root mean squared error; mse in units of the target";
  static constexpr Decision decision = Decision::none;
  static constexpr Domain prediction = Domain::real, target = Domain::real;
  static constexpr bool root = true;
  static void fields(auto&&) {}

  template <class S>
  FUSELAGE_HD ValueGrad<S> operator()(S y, S t) const {
    const S d = y - t;
    return {d * d, d + d};
  }
};

}  // namespace fuselage::loss
