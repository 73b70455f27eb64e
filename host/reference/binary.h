// The textbook formulas of losses that decide between two: on probabilities, on logits, and on scores against -1 and 1.
#pragma once

#include <algorithm>
#include <cmath>

#include "host/reference/element.h"
#include "host/reference/formulas.h"

namespace fuselage::reference {

/// A target t in [0, 1] and its complement, smoothed: t (1 - s) + s/2.
struct Soft {
  double yes, no;
  Soft(double t, double s) : yes(t * (1 - s) + s / 2), no((1 - t) * (1 - s) + s / 2) {}
};

struct Bce : ProbabilityTarget {
  static constexpr std::string_view name = "bce";
  double clip, pos_weight, smoothing;
  explicit Bce(OptionReader& reader)
      : clip(reader.get_below("clip", 0, 0, 0.5)),
        pos_weight(reader.get_between("pos_weight", 1, 0, kUnbounded)),
        smoothing(reader.get_between("label_smoothing", 0, 0, 1)) {}
  /// log(1 - p) is log1p(-p): for a small p the difference 1 - p has lost it.
  template <class T>
  T operator()(const T& y, double t) const {
    using std::log, std::log1p;
    const Soft target(t, smoothing);
    T p = y;
    if (clip > 0 && value_of(y) < clip) p = T(clip);
    if (clip > 0 && value_of(y) > 1 - clip) p = T(1 - clip);
    return -(pos_weight * target.yes * formulas::floored(log(p)) + target.no * formulas::floored(log1p(-p)));
  }
  Terms terms(double y, double t) const {
    const Soft target(t, smoothing);
    if (!(y > 0 && y < 1)) return {};
    return {0, std::max(pos_weight * target.yes / y, target.no / (1 - y))};
  }
  static bool is_chosen(double y) { return y > 0.5; }
  static bool is_positive(double t) { return t > 0.5; }
};

/// -(w t log sigmoid(x) + (1-t) log sigmoid(-x)), which for w = 1 is log(1 + e^x) - t x, without its cancellation.
/// x = +inf with t = 1 (and -inf with 0) is 0 times infinity: NaN, as the formula has it.
struct BceWithLogits : ProbabilityTarget {
  static constexpr std::string_view name = "bce_with_logits";
  double pos_weight, smoothing;
  explicit BceWithLogits(OptionReader& reader)
      : pos_weight(reader.get_between("pos_weight", 1, 0, kUnbounded)),
        smoothing(reader.get_between("label_smoothing", 0, 0, 1)) {}
  template <class T>
  T operator()(const T& x, double t) const {
    const Soft target(t, smoothing);
    return pos_weight * target.yes * formulas::softplus(-x) + target.no * formulas::softplus(x);
  }
  /// The derivative is (1-t) sigmoid(x) - w t sigmoid(-x).
  Terms terms(double x, double t) const {
    const Soft target(t, smoothing);
    const double yes = pos_weight * target.yes, tail = 1 / (1 + std::exp(std::abs(x)));
    return {0, std::max((yes + target.no) * tail, x >= 0 ? target.no : yes)};
  }
  static bool is_chosen(double x) { return x > 0; }
  static bool is_positive(double t) { return t > 0.5; }
};

/// alpha t (1-p)^gamma (-log p) + (1-alpha) (1-t) p^gamma (-log(1-p)), p = sigmoid(x); without alpha both factors
/// are 1.
struct Focal : ProbabilityTarget {
  static constexpr std::string_view name = "focal";
  bool has_alpha;
  double alpha, gamma;
  explicit Focal(OptionReader& reader)
      : has_alpha(reader.has("alpha")),
        alpha(reader.get_between("alpha", 0, 0, 1)),
        gamma(reader.get_between("gamma", 2, 0, kUnbounded)) {}
  template <class T>
  T operator()(const T& x, double t) const {
    using std::exp;
    const T yes = formulas::softplus(-x), no = formulas::softplus(x);
    return (has_alpha ? alpha : 1) * t * (exp(-gamma * no) * yes) +
           (has_alpha ? 1 - alpha : 1) * (1 - t) * (exp(-gamma * yes) * no);
  }
  Terms terms(double x, double t) const {
    const double yes = formulas::softplus(-x), no = formulas::softplus(x), p = std::exp(-yes), q = std::exp(-no);
    const double of_yes = (has_alpha ? alpha : 1) * t * std::pow(q, gamma) * (gamma * p * yes + q);
    const double of_no = (has_alpha ? 1 - alpha : 1) * (1 - t) * std::pow(p, gamma) * (gamma * q * no + p);
    return {0, std::max(of_yes, of_no)};
  }
  static bool is_chosen(double x) { return x > 0; }
  static bool is_positive(double t) { return t > 0.5; }
};

/// On a logit x with p = sigmoid(x): t (1-p)^gamma_pos (-log p) + (1-t) m^gamma_neg (-log(1-m)), m = max(0, p - clip).
struct Asymmetric : ProbabilityTarget {
  static constexpr std::string_view name = "asymmetric";
  double gamma_pos, gamma_neg, clip;
  explicit Asymmetric(OptionReader& reader)
      : gamma_pos(reader.get_between("gamma_pos", 1, 0, kUnbounded)),
        gamma_neg(reader.get_between("gamma_neg", 4, 0, kUnbounded)),
        clip(reader.get_below("clip", 0.05, 0, 1)) {}
  template <class T>
  T operator()(const T& x, double t) const {
    using std::exp, std::log1p, std::pow;
    const T yes = formulas::softplus(-x), no = formulas::softplus(x);
    const T positive = t * (exp(-gamma_pos * no) * yes);
    if (clip == 0) return positive + (1 - t) * (exp(-gamma_neg * yes) * no);
    const T m = exp(-yes) - clip;
    if (value_of(m) <= 0) return positive;
    return positive + (1 - t) * (pow(m, gamma_neg) * -log1p(-m));
  }
  /// Of a target between 0 and 1 two slopes of opposite signs are added.
  Terms terms(double x, double t) const {
    const auto slope = [&](double target) {
      const Dual<1> at = (*this)(Dual<1>(x, 0), target);
      return std::abs(at.slope[0]);
    };
    return {0, std::max(t > 0 ? t * slope(1) : 0, t < 1 ? (1 - t) * slope(0) : 0)};
  }
  static bool is_chosen(double x) { return x > 0; }
  static bool is_positive(double t) { return t > 0.5; }
};

/// The losses of the margin t y: right is a score of the target's sign.
struct Margin : SignTarget {
  static bool is_chosen(double y) { return y > 0; }
  static bool is_positive(double t) { return t > 0; }
};

struct Hinge : Margin {
  static constexpr std::string_view name = "hinge";
  template <class T>
  T operator()(const T& y, double t) const {
    const T rest = 1 - t * y;
    return value_of(rest) <= 0 ? T(0) : rest;  // NaN passes on
  }
};

struct SquaredHinge : Margin {
  static constexpr std::string_view name = "squared_hinge";
  template <class T>
  T operator()(const T& y, double t) const {
    const T rest = Hinge()(y, t);
    return rest * rest;
  }
};

struct SoftMargin : Margin {
  static constexpr std::string_view name = "soft_margin";
  template <class T>
  T operator()(const T& y, double t) const {
    return formulas::softplus(-(t * y));
  }
};

struct Perceptron : Margin {
  static constexpr std::string_view name = "perceptron";
  template <class T>
  T operator()(const T& y, double t) const {
    const T wrong = -(t * y);
    return value_of(wrong) <= 0 ? T(0) : wrong;
  }
};

}  // namespace fuselage::reference
