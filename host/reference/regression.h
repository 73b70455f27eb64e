// The textbook formulas of losses on real targets: of the difference d = y - t, and relative ones.
#pragma once

#include <algorithm>
#include <cmath>

#include "host/reference/element.h"

namespace fuselage::reference {

struct Mse {
  static constexpr std::string_view name = "mse";
  template <class T>
  T operator()(const T& y, double t) const {
    const T d = y - t;
    return d * d;
  }
};

/// The square root of the mean of d^2; this is what the mean is taken of.
struct Rmse : Mse {
  static constexpr std::string_view name = "rmse";
  static constexpr bool root = true;
};

struct Mae {
  static constexpr std::string_view name = "mae";
  template <class T>
  T operator()(const T& y, double t) const {
    using std::abs;
    return abs(y - t);
  }
};

struct Huber {
  static constexpr std::string_view name = "huber";
  double delta;
  explicit Huber(OptionReader& reader) : delta(reader.get_positive("delta", 1)) {}
  template <class T>
  T operator()(const T& y, double t) const {
    using std::abs;
    const T d = y - t;
    if (value_of(abs(d)) <= delta) return d * d / 2;
    return delta * (abs(d) - delta / 2);
  }
};

struct SmoothL1 {
  static constexpr std::string_view name = "smooth_l1";
  double beta;
  explicit SmoothL1(OptionReader& reader) : beta(reader.get_between("beta", 1, 0, kUnbounded)) {}
  template <class T>
  T operator()(const T& y, double t) const {
    using std::abs;
    const T d = y - t;
    if (value_of(abs(d)) < beta) return d * d / (2 * beta);
    return abs(d) - beta / 2;
  }
};

/// log cosh d, with cosh d = 1 + 2 sinh^2(d/2) near 0 and e^|d| (1 + e^(-2|d|)) / 2 beyond, where cosh overflows.
struct LogCosh {
  static constexpr std::string_view name = "log_cosh";
  template <class T>
  T operator()(const T& y, double t) const {
    using std::abs, std::exp, std::expm1, std::log1p;
    const T d = y - t, a = abs(d);
    if (value_of(a) > 1) return a + log1p(exp(-2.0 * a)) - std::log(2.0L);
    const T grown = expm1(d / 2.0), sinh = (grown + grown / (1.0 + grown)) / 2.0;
    return log1p(2.0 * sinh * sinh);
  }
};

/// The pinball loss of the quantile q: with e = t - y, max(q e, (q - 1) e).
struct Quantile {
  static constexpr std::string_view name = "quantile";
  double q;
  explicit Quantile(OptionReader& reader) : q(reader.get_inside("q", 0.5, 0, 1)) {}
  template <class T>
  T operator()(const T& y, double t) const {
    using std::abs;
    const T a = abs(y - t);
    return value_of(y) > t ? (1 - q) * a : q * a;
  }
};

struct Expectile {
  static constexpr std::string_view name = "expectile";
  double tau;
  explicit Expectile(OptionReader& reader) : tau(reader.get_inside("tau", 0.5, 0, 1)) {}
  template <class T>
  T operator()(const T& y, double t) const {
    const T d = y - t;
    return (value_of(d) > 0 ? 1 - tau : tau) * (d * d);
  }
};

struct Cauchy {
  static constexpr std::string_view name = "cauchy";
  double c;
  explicit Cauchy(OptionReader& reader) : c(reader.get_between("c", 1, 1e-9, 1e9)) {}
  template <class T>
  T operator()(const T& y, double t) const {
    using std::log1p;
    const T r = (y - t) / c;
    return c * c / 2 * log1p(r * r);
  }
};

/// c^2/6 (1 - (1 - u)^3) with u = (d/c)^2, multiplied out; constant from u = 1 on.
struct Tukey {
  static constexpr std::string_view name = "tukey";
  double c;
  explicit Tukey(OptionReader& reader) : c(reader.get_between("c", 4.685, 1e-9, 1e9)) {}
  template <class T>
  T operator()(const T& y, double t) const {
    const T r = (y - t) / c, u = r * r;
    if (value_of(u) > 1) return T(c * c / 6);
    return c * c / 6 * (u * (3.0 + u * (u - 3.0)));
  }
  /// The value is c^2/6 (3 u - 3 u^2 + u^3), the derivative d - 2 d u + d u^2.
  Terms terms(double y, double t) const {
    const double a = std::abs(y - t);
    return a <= c ? Terms{a * a / 2, a} : Terms{};
  }
};

struct Mape {
  static constexpr std::string_view name = "mape";
  double eps;
  explicit Mape(OptionReader& reader) : eps(reader.get_between("eps", 1e-7, 1e-30, kUnbounded)) {}
  template <class T>
  T operator()(const T& y, double t) const {
    using std::abs;
    return 100.0 * abs(y - t) / std::max(std::abs(t), eps);
  }
};

struct Smape {
  static constexpr std::string_view name = "smape";
  double eps;
  explicit Smape(OptionReader& reader) : eps(reader.get_between("eps", 0.02, 1e-30, kUnbounded)) {}
  template <class T>
  T operator()(const T& y, double t) const {
    using std::abs;
    return 2.0 * abs(y - t) / (abs(y) + std::abs(t) + eps);
  }
};

/// (log(1 + y) - log(1 + t))^2 with y and t at least `floor`; the difference as the logarithm of the quotient.
struct Msle : NonNegativeTarget {
  static constexpr std::string_view name = "msle";
  double floor;
  explicit Msle(OptionReader& reader) : floor(reader.get_between("floor", 1e-7, 0, kUnbounded)) {}
  template <class T>
  T operator()(const T& y, double t) const {
    using std::log1p;
    const double target = std::max(t, floor);
    const T p = value_of(y) < floor ? T(floor) : y;
    const bool above = value_of(p) > target;
    const T ratio = above ? (p - target) / (1 + target) : (target - p) / (1.0 + p);
    const T l = log1p(ratio);
    return l * l;
  }
  /// A prediction or target at a floor that no float holds: its rounding is not small beside a small difference.
  Terms terms(double y, double t) const {
    if ((y < floor) == (t < floor)) return {};
    const double p = std::max(y, floor), most = std::log1p(std::max(p, t));
    return {most * std::sqrt((*this)(y, t)), y < floor ? 0 : 2 * most / (1 + p)};
  }
};

struct RelativeL1 {
  static constexpr std::string_view name = "relative_l1";
  double eps;
  bool frozen;
  explicit RelativeL1(OptionReader& reader)
      : eps(reader.get_between("eps", 0.01, 1e-30, kUnbounded)), frozen(reader.get_flag("frozen")) {}
  template <class T>
  T operator()(const T& y, double t) const {
    using std::abs;
    const T scale = abs(y) + eps;
    return abs(y - t) / (frozen ? T(value_of(scale)) : scale);
  }
  /// The derivative is sign(d) (t sign(y) + eps) / (|y| + eps)^2.
  Terms terms(double y, double t) const {
    const double scale = std::abs(y) + eps;
    return {0, frozen || y == t ? 0 : std::max(std::abs(t), eps) / (scale * scale)};
  }
};

struct RelativeL2 {
  static constexpr std::string_view name = "relative_l2";
  double eps;
  bool frozen;
  explicit RelativeL2(OptionReader& reader)
      : eps(reader.get_between("eps", 0.01, 1e-30, kUnbounded)), frozen(reader.get_flag("frozen")) {}
  template <class T>
  T operator()(const T& y, double t) const {
    const T d = y - t, scale = y * y + eps;
    return d * d / (frozen ? T(value_of(scale)) : scale);
  }
  /// The derivative is 2 d (t y + eps) / (y^2 + eps)^2.
  Terms terms(double y, double t) const {
    const double scale = y * y + eps;
    return {0, frozen ? 0 : 2 * std::abs(y - t) * std::max(std::abs(t * y), eps) / (scale * scale)};
  }
};

}  // namespace fuselage::reference
