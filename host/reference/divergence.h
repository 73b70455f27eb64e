// The textbook formulas of divergences between distributions, element by element: y is of the prediction, t of the
// target.
#pragma once

#include <algorithm>
#include <cmath>

#include "host/reference/element.h"

namespace fuselage::reference {

/// t (log t - log q), order 0 (target_prediction), or q (log q - log t), order 1 (prediction_target), of probabilities
/// t and q; 0 log 0 is 0. The prediction is log q, or q itself (prediction 1); log_target: so is the target. eps > 0:
/// probabilities are at least eps and at most 1, the derivative strictly outside is 0.
struct Kl {
  static constexpr std::string_view name = "kl";
  bool log_target, of_probability, reverse;
  double eps;
  explicit Kl(OptionReader& reader)
      : log_target(reader.get_flag("log_target")),
        of_probability(reader.get_flag("prediction")),
        reverse(reader.get_flag("order")),
        eps(reader.get_below("eps", 0, 0, 1)) {}
  bool takes(double t) const { return log_target ? t == t : t >= 0; }
  template <class T>
  T operator()(const T& y, double t) const {
    using std::exp, std::log;
    const Target target = read(t);
    const T held = clipped(y), q = of_probability ? held : exp(y), log_q = of_probability ? log(held) : y;
    if (reverse) return value_of(q) == 0 ? T(0) : q * (log_q - target.log_p);
    if (target.p == 0) return std::isnan(value_of(y)) ? y : T(0);
    return target.p * (target.log_p - log_q);
  }
  Terms terms(double y, double t) const {
    const Target target = read(t);
    const double held = clipped(y), q = of_probability ? held : std::exp(y),
                 log_q = of_probability ? std::log(held) : y;
    const double weight = reverse ? q : target.p;
    if (weight == 0) return {};
    const double larger = std::max(std::abs(target.log_p), std::abs(log_q));
    const double slope = of_probability ? (held == y ? 1 : 0) : q;
    return {weight * larger, reverse ? slope * std::max(larger, 1.0) : 0};
  }

 private:
  struct Target {
    double p, log_p;
  };
  Target read(double t) const {
    if (log_target) return {std::exp(t), t};
    const double p = eps > 0 ? std::clamp(t, eps, 1.0) : t;
    return {p, std::log(p)};
  }
  template <class T>
  T clipped(const T& y) const {
    if (!of_probability || eps == 0) return y;
    return value_of(y) < eps ? T(eps) : value_of(y) > 1 ? T(1) : y;
  }
};

/// t log(t/y) - t + y of positive y; for t = 0 it is y.
struct GeneralizedKl : NonNegativeTarget {
  static constexpr std::string_view name = "generalized_kl";
  template <class T>
  T operator()(const T& y, double t) const {
    using std::log;
    if (t == 0) return y;
    return -(t * log(y / t)) - t + y;
  }
  Terms terms(double y, double t) const {
    if (t == 0) return {};
    return {std::max({std::abs(t * std::log(y / t)), t, y}), std::max(1.0, t / y)};
  }
};

/// beta t log(t/m) + (1 - beta) y log(y/m) with m = beta t + (1 - beta) y: Jensen and Shannon's for beta = 1/2. beta 0
/// is t log(t/y) and beta 1 y log(y/t), their own limits but for the factor. 0 log 0 is 0.
struct Js : NonNegativeTarget {
  static constexpr std::string_view name = "js";
  double beta;
  /// log(x/m), m = (1 - w) x + w other, from x/m = 1 + w (x - other)/m where that is near 1.
  template <class X, class Y>
  static auto log_ratio(const X& x, const Y& other, double w) {
    using std::log, std::log1p;
    const auto m = (1 - w) * x + w * other, gap = w * ((x - other) / m);
    return std::abs(value_of(gap)) < 0.5 ? log1p(gap) : log(x / m);
  }
  explicit Js(OptionReader& reader) : beta(reader.get_between("beta", 0.5, 0, 1)) {}
  template <class T>
  T operator()(const T& y, double t) const {
    using std::log, std::log1p;
    const double a = beta, b = 1 - beta;
    if (a == 0) return t == 0 ? 0.0 * y : -(t * log(y / t));
    if (b == 0) return value_of(y) == 0 ? 0.0 * y : y * log(y / t);
    T sum = 0.0 * y;
    if (t > 0) sum = sum + a * t * log_ratio(t, y, b);
    if (value_of(y) != 0) sum = sum + b * (y * log_ratio(y, t, a));
    // Of the slope by the rules of its steps only (1 - beta) log(y/m) stays; the rest cancels, and leaves roundings.
    if constexpr (requires { y.slope; }) {
      if (value_of(y) != 0) return value_of(sum) + b * log_ratio(value_of(y), t, a) * (y - value_of(y));
    }
    return sum;
  }
  Terms terms(double y, double t) const {
    const double a = beta, b = 1 - beta;
    if (a == 0 || t == 0) return {};
    if (b == 0) return {0, y > 0 ? std::max(1.0, std::abs(std::log(y / t))) : 0};
    return {std::max(std::abs(a * t * log_ratio(t, y, b)), y > 0 ? std::abs(b * y * log_ratio(y, t, a)) : 0)};
  }
};

/// |y - t|/2, derivative 0 at 0.
struct TotalVariation {
  static constexpr std::string_view name = "total_variation";
  template <class T>
  T operator()(const T& y, double t) const {
    using std::abs;
    return abs(y - t) / 2.0;
  }
};

}  // namespace fuselage::reference
