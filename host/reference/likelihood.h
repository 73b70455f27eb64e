// The textbook formulas of negative log-likelihoods of counts and of positive quantities.
#pragma once

#include <algorithm>
#include <cmath>
#include <numbers>

#include "host/reference/element.h"

namespace fuselage::reference {

/// log_input: e^y - t y; else y - t log(y + eps). full: for t > 1 Stirling's log t! = t log t - t + log(2 pi t)/2.
struct PoissonNll : NonNegativeTarget {
  static constexpr std::string_view name = "poisson_nll";
  bool log_input, full;
  double eps;
  explicit PoissonNll(OptionReader& reader)
      : log_input(reader.get_flag("log_input", true)),
        full(reader.get_flag("full")),
        eps(reader.get_between("eps", 1e-8, 1e-30, kUnbounded)) {}
  template <class T>
  T operator()(const T& y, double t) const {
    using std::exp, std::log;
    const T value = log_input ? exp(y) - t * y : y - t * log(y + eps);
    return value + stirling(t);
  }
  Terms terms(double y, double t) const {
    const double rest = full && t > 1 ? std::max({t * std::log(t), t, std::log(2 * std::numbers::pi * t) / 2}) : 0;
    if (log_input) return {std::max({std::exp(y), std::abs(t * y), rest}), std::max(std::exp(y), t)};
    return {std::max({std::abs(y), std::abs(t * std::log(y + eps)), rest}), std::max(1.0, std::abs(t / (y + eps)))};
  }

 private:
  double stirling(double t) const {
    return full && t > 1 ? t * std::log(t) - t + std::log(2 * std::numbers::pi * t) / 2 : 0;
  }
};

/// y + t e^-y: minus the log-density of a gamma distribution of mean e^y, without what does not depend on y.
struct GammaNll : PositiveTarget {
  static constexpr std::string_view name = "gamma_nll";
  template <class T>
  T operator()(const T& y, double t) const {
    using std::exp;
    return y + t * exp(-y);
  }
  Terms terms(double y, double t) const {
    const double ratio = t * std::exp(-y);
    return {std::max(std::abs(y), ratio), std::max(1.0, ratio)};
  }
};

/// With p = power: -t e^((1-p) y)/(1-p) + e^((2-p) y)/(2-p).
struct Tweedie : NonNegativeTarget {
  static constexpr std::string_view name = "tweedie";
  double power;
  explicit Tweedie(OptionReader& reader) : power(reader.get_inside("power", 1.5, 1, 2)) {}
  template <class T>
  T operator()(const T& y, double t) const {
    using std::exp;
    const double a = power - 1, b = 2 - power;
    return t * exp(-a * y) / a + exp(b * y) / b;
  }
  /// The derivative is e^((2-p) y) - t e^((1-p) y).
  Terms terms(double y, double t) const {
    return {0, std::max(std::exp((2 - power) * y), t * std::exp((1 - power) * y))};
  }
};

/// Of a normal distribution of mean y and variance v: (log v + (y - t)^2/v)/2, full: + log(2 pi)/2. v is at least eps,
/// with derivative 0 below.
struct GaussianNll {
  static constexpr std::string_view name = "gaussian_nll";
  bool full;
  double eps;
  explicit GaussianNll(OptionReader& reader)
      : full(reader.get_flag("full")), eps(reader.get_between("eps", 1e-6, 1e-30, kUnbounded)) {}
  template <class T>
  T operator()(const T& y, const T& variance, double t) const {
    using std::log;
    const T v = value_of(variance) < eps ? T(eps) : variance, d = y - t;
    return (log(v) + d * d / v) / 2.0 + constant();
  }
  Terms terms(double y, double variance, double t) const {
    const double v = std::max(variance, eps), d = y - t;
    const double of_log = std::abs(std::log(v)) / 2, of_square = d * d / v / 2;
    return {std::max({of_log, of_square, constant()}), 0, variance < eps ? 0 : std::max(0.5, of_square) / v};
  }

 private:
  double constant() const { return full ? std::log(2 * std::numbers::pi) / 2 : 0; }
};

}  // namespace fuselage::reference
