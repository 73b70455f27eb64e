// Gamma negative log-likelihood.
#pragma once

#include "fuselage/core/field.h"
#include "fuselage/core/math.h"
#include "fuselage/loss/concepts.h"

namespace fuselage::loss {

/// For a positive t and the logarithm y of its mean: y + t e^-y, derivative 1 - t e^-y. It is minus the log-density of
/// a gamma distribution, in units of its shape, without what does not depend on y: the loss of a gamma regression with
/// logarithmic link. e^-y is taken as the square of e^(-y/2), which is finite where t e^-y is.
struct GammaNll {
  static constexpr std::string_view name = "gamma_nll";
  static constexpr std::string_view formula = "y + t e^-y";
  static constexpr std::string_view summary = "positive quantities with errors in proportion; y is the log of the mean";
  static constexpr Decision decision = Decision::none;
  static constexpr Domain prediction = Domain::log_mean, target = Domain::positive;
  static constexpr Budget budget{4, 6, "e^-y is the square of a rounded root, whose error counts twice"};
  static void fields(auto&&) {}

  template <class S>
  FUSELAGE_HD ValueGrad<S> operator()(S y, S t) const {
    const S root = exp(S(-0.5) * y), ratio = (t * root) * root;
    return {y + ratio, S(1) - ratio};
  }
};

}  // namespace fuselage::loss
