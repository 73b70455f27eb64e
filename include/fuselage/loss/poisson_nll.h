// Poisson negative log-likelihood.
#pragma once

#include "fuselage/core/field.h"
#include "fuselage/core/math.h"
#include "fuselage/loss/concepts.h"

namespace fuselage::loss {

/// For a count t: e^y - t y, derivative e^y - t, where y is the logarithm of the mean; without log_input y is the mean
/// itself, y - t log(y + eps), derivative 1 - t/(y + eps), NaN below -eps. `full` adds for t > 1 Stirling's
/// t log t - t + log(2 pi t)/2. As PyTorch; Keras has the form on means with eps = 1e-7.
struct PoissonNll {
  static constexpr std::string_view name = "poisson_nll";
  static constexpr std::string_view formula = "e^y - t y, or y - t log(y + eps) without log_input";
  static constexpr std::string_view summary = "counts; minus the logarithm of the Poisson probability";
  static constexpr Decision decision = Decision::none;
  static constexpr Domain prediction = Domain::log_mean, target = Domain::count;
  bool log_input = true;
  bool full = false;
  double eps = 1e-8;
  static void fields(auto&& field) {
    field("log_input", &PoissonNll::log_input, Range{}, "y is the logarithm of the mean");
    field("full", &PoissonNll::full, Range{}, "Stirling's log t! is added for t > 1");
    field("eps", &PoissonNll::eps, kNormaliser, "added to y under the logarithm");
  }

  template <class S>
  FUSELAGE_HD ValueGrad<S> operator()(S y, S t) const {
    const S shifted = y + S(eps), mean = log_input ? exp(y) : y;
    S value = fma(-t, log_input ? y : log(shifted), mean), grad = mean - t;
    if (!log_input) {
      // What y + eps lost in rounding: near 1 its logarithm would be off by it.
      const S added = shifted - y, lost = (y - (shifted - added)) + (S(eps) - added), ratio = t / shifted;
      value = fma(-lost, ratio, value);
      grad = select(value == value, S(1) - ratio, value);
    }
    if (full) {
      const auto large = t > S(1);
      const S n = select(large, t, S(1)), log_n = log(n);
      const S rest = fma(n, log_n, -n) + fma(log_n, S(0.5), S(0.91893853320467274178));  // log(2 pi)/2
      value = value + select(large, rest, S(0));
    }
    return {value, grad};
  }
};

}  // namespace fuselage::loss
