// The textbook formulas of losses over classes: on logits through the softmax, on log-probabilities, on probabilities,
// and on scores.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "host/reference/formulas.h"
#include "host/reference/row.h"

namespace fuselage::reference {

/// What the losses on logits have in common.
struct OnLogits {
  static constexpr RowTraits traits{.target = RowKind::classes, .softmax = true, .ignores = true};
  std::vector<double> probabilities(const Row<double>& row) const {
    return formulas::exponentials(formulas::softmax(row.x).log_p);
  }
};

/// sum_c k_c (lse - x_c) + z_loss lse^2, of logits that are first divided by the temperature and then held within
/// +-softcap by softcap tanh(x / softcap).
struct SoftmaxCrossEntropy : OnLogits {
  static constexpr std::string_view name = "softmax_cross_entropy";
  double smoothing, z_loss, softcap, temperature;
  explicit SoftmaxCrossEntropy(OptionReader& reader)
      : smoothing(reader.get_between("label_smoothing", 0, 0, 1)),
        z_loss(reader.get_between("z_loss", 0, 0, kUnbounded)),
        softcap(reader.get_between("softcap", 0, 0, kUnbounded)),
        temperature(reader.get_positive("temperature", 1)) {}
  template <class T>
  std::vector<T> transformed(std::vector<T> x) const {
    using std::tanh;
    for (T& v : x) {
      if (temperature != 1) v = v / temperature;
      if (softcap > 0) v = softcap * tanh(v / softcap);
    }
    return x;
  }
  std::vector<double> probabilities(const Row<double>& row) const {
    return formulas::exponentials(formulas::softmax(transformed(row.x)).log_p);
  }
  template <class T>
  T operator()(const Row<T>& row) const {
    const auto softmax = formulas::softmax(transformed(row.x));
    const T loss =
        formulas::weighted_sum<T>(row.coefficients(smoothing), [&](std::size_t c) { return -softmax.log_p[c]; });
    return z_loss > 0 ? loss + z_loss * (softmax.log_sum * softmax.log_sum) : loss;
  }
};

/// sum_c k_c (-alpha (1 - p_c)^gamma log p_c).
struct CategoricalFocal : OnLogits {
  static constexpr std::string_view name = "categorical_focal";
  double gamma, alpha, smoothing;
  explicit CategoricalFocal(OptionReader& reader)
      : gamma(reader.get_between("gamma", 2, 0, kUnbounded)),
        alpha(reader.get_between("alpha", 0.25, 0, kUnbounded)),
        smoothing(reader.get_between("label_smoothing", 0, 0, 1)) {}
  template <class T>
  T operator()(const Row<T>& row) const {
    using std::expm1, std::pow;
    const auto softmax = formulas::softmax(row.x);
    return formulas::weighted_sum<T>(row.coefficients(smoothing), [&](std::size_t c) {
      const T& log_p = softmax.log_p[c];
      return alpha * (pow(-expm1(log_p), gamma) * -log_p);
    });
  }
};

/// sum_c k_c (-log p_c + epsilon (1 - p_c)).
struct Poly1 : OnLogits {
  static constexpr std::string_view name = "poly1";
  double epsilon, smoothing;
  explicit Poly1(OptionReader& reader)
      : epsilon(reader.get_between("epsilon", 1, -kUnbounded, kUnbounded)),
        smoothing(reader.get_between("label_smoothing", 0, 0, 1)) {}
  template <class T>
  T operator()(const Row<T>& row) const {
    using std::expm1;
    const auto softmax = formulas::softmax(row.x);
    return formulas::weighted_sum<T>(row.coefficients(smoothing), [&](std::size_t c) {
      const T& log_p = softmax.log_p[c];
      return -log_p - epsilon * expm1(log_p);
    });
  }
};

/// sum_c k_c (1 - p_c^q)/q.
struct GeneralizedCrossEntropy : OnLogits {
  static constexpr std::string_view name = "generalized_cross_entropy";
  double q;
  explicit GeneralizedCrossEntropy(OptionReader& reader) : q(reader.get_between("q", 0.5, 1e-9, 1)) {}
  template <class T>
  T operator()(const Row<T>& row) const {
    using std::expm1;
    const auto softmax = formulas::softmax(row.x);
    return formulas::weighted_sum<T>(row.coefficients(0),
                                     [&](std::size_t c) { return -expm1(q * softmax.log_p[c]) / q; });
  }
};

/// sum_c k_c (-x_c) of log-probabilities x.
struct Nll {
  static constexpr std::string_view name = "nll";
  static constexpr RowTraits traits{.target = RowKind::classes, .ignores = true};
  double smoothing;
  explicit Nll(OptionReader& reader) : smoothing(reader.get_between("label_smoothing", 0, 0, 1)) {}
  template <class T>
  T operator()(const Row<T>& row) const {
    return formulas::weighted_sum<T>(row.coefficients(smoothing), [&](std::size_t c) { return -row.x[c]; });
  }
  std::vector<double> probabilities(const Row<double>& row) const { return formulas::exponentials(row.x); }
};

/// sum_c k_c (-log p_c) of probabilities x: normalise: p = x / sum of x; then p is clipped to [clip, 1 - clip], with
/// derivative 0 strictly outside.
struct CrossEntropy {
  static constexpr std::string_view name = "cross_entropy";
  static constexpr RowTraits traits{.target = RowKind::classes, .ignores = true};
  double clip, smoothing;
  bool normalise;
  explicit CrossEntropy(OptionReader& reader)
      : clip(reader.get_below("clip", 1e-7, 0, 0.5)),
        smoothing(reader.get_between("label_smoothing", 0, 0, 1)),
        normalise(reader.get_flag("normalise", true)) {}
  template <class T>
  T operator()(const Row<T>& row) const {
    using std::log;
    T sum(0);
    for (const T& x : row.x) sum = sum + x;
    if (normalise && !(value_of(sum) > 0)) return std::numeric_limits<double>::quiet_NaN() * sum;
    return formulas::weighted_sum<T>(row.coefficients(smoothing), [&](std::size_t c) {
      const T p = normalise ? row.x[c] / sum : row.x[c];
      if (clip > 0 && value_of(p) < clip) return T(-std::log(clip));
      if (clip > 0 && value_of(p) > 1 - clip) return T(-std::log1p(-clip));
      if (normalise && value_of(p) == 0) return log(sum) - log(row.x[c]);  // p by the sum is 0, times infinity
      return -log(p);
    });
  }
  std::vector<double> probabilities(const Row<double>& row) const {
    double sum = 0;
    for (const double x : row.x) sum += x;
    std::vector<double> p = row.x;
    for (double& x : p) x = normalise ? x / sum : x;
    return p;
  }
};

/// w_y/C sum over c other than y of max(0, margin - x_y + x_c)^p, derivative 0 at the kinks.
struct MultiMargin {
  static constexpr std::string_view name = "multi_margin";
  static constexpr RowTraits traits{.target = RowKind::label, .ignores = true};
  double p, margin;
  explicit MultiMargin(OptionReader& reader)
      : p(reader.get_between("p", 1, 1, 2)), margin(reader.get_between("margin", 1, -kUnbounded, kUnbounded)) {}
  template <class T>
  T operator()(const Row<T>& row) const {
    const auto y = static_cast<std::size_t>(row.label);
    T sum(0);
    for (std::size_t c = 0; c < row.size(); ++c) {
      if (c == y) continue;
      const T rest = positive_part(T(margin - (row.x[y] - row.x[c])));
      if (value_of(rest) != 0) sum = sum + (p == 2 ? rest * rest : rest);
    }
    return row.weight[y] / static_cast<double>(row.size()) * sum;
  }
};

/// w_y max(0, 1 + x_m - x_y), m the first of the greatest of the other classes, derivative 0 at the kink. zero: the
/// greatest is at least 0, as where the label's own class takes part as a 0.
struct CategoricalHinge {
  static constexpr std::string_view name = "categorical_hinge";
  static constexpr RowTraits traits{.target = RowKind::label, .ignores = true};
  bool zero;
  explicit CategoricalHinge(OptionReader& reader) : zero(reader.get_flag("zero")) {}
  template <class T>
  T operator()(const Row<T>& row) const {
    const auto y = static_cast<std::size_t>(row.label);
    T most(0);
    bool found = false;
    for (std::size_t c = 0; c < row.size(); ++c) {
      if (std::isnan(value_of(row.x[c]))) return row.x[c];
      const T score = c == y ? T(0) : row.x[c];
      if ((c == y && !zero) || (found && !(value_of(score) > value_of(most)))) continue;
      most = score;
      found = true;
    }
    if (!found) return T(0);
    return row.weight[y] * positive_part(T(1.0 + most - row.x[y]));
  }
};

/// -R log p_a - entropy H(p) of the action a taken and its return R. form 0: x are logits; 1: log-probabilities, whose
/// entropy is -sum e^x x; 2: scores, of which x_a stands for log p_a itself and which have no entropy.
struct PolicyGradient {
  static constexpr std::string_view name = "policy_gradient";
  double form, entropy;
  explicit PolicyGradient(OptionReader& reader)
      : form(reader.get_between("form", 0, 0, 2)), entropy(reader.get_between("entropy", 0, 0, kUnbounded)) {}
  RowTraits own_traits() const {
    return {.target = RowKind::label, .row_constant = true, .softmax = form == 0, .ignores = true};
  }
  template <class T>
  T operator()(const Row<T>& row) const {
    using std::exp;
    const auto a = static_cast<std::size_t>(row.label);
    const std::vector<T> log_p = form == 0 ? formulas::softmax(row.x).log_p : row.x;
    T value = -(row.constant * row.weight[a]) * log_p[a];
    if (entropy == 0 || form == 2) return value;
    for (const T& l : log_p) {
      if (value_of(l) > -800) value = value + entropy * (exp(l) * l);
    }
    return value;
  }
  std::vector<double> probabilities(const Row<double>& row) const {
    if (form == 2) return {};
    return formulas::exponentials(form == 0 ? formulas::softmax(row.x).log_p : row.x);
  }
};

}  // namespace fuselage::reference
