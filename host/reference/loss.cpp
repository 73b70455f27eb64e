// Evaluates a loss over a batch: what counts, weights, reductions, metrics, and the derivatives by two engines.
#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "host/reference/definition.h"
#include "host/reference/dual.h"
#include "host/reference/reference.h"

namespace fuselage::reference {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// Derivatives by dual numbers. Every engine sets gradient[0 .. n) to d(value)/d(x_c) and returns the value.
struct ByDuals {
  double element(const Definition& loss, double y, double t, double* gradient) const {
    const Dual<1> result = loss.element(Dual<1>(y, 0), t);
    // A branch taken on NaN has the slope of that branch; at NaN there is none.
    *gradient = std::isnan(result.value) ? kNaN : result.slope[0];
    return result.value;
  }

  double row(const std::vector<double>& x, const std::vector<double>& k, double* gradient) const {
    constexpr std::size_t directions = 16;
    double value = 0;
    for (std::size_t first = 0; first < x.size(); first += directions) {
      const std::size_t last = std::min(first + directions, x.size());
      std::vector<Dual<directions>> seeded(x.begin(), x.end());
      for (std::size_t c = first; c < last; ++c) seeded[c] = Dual<directions>(x[c], c - first);
      const Dual<directions> result = formulas::cross_entropy(seeded, k);
      std::copy_n(result.slope.begin(), last - first, gradient + first);
      value = result.value;
    }
    return value;
  }
};

/// Derivatives by central differences in long double.
struct ByDifferences {
  long double step;

  template <class F>
  double slope(double x, const F& f) const {
    const long double up = x + step, down = x - step;
    const long double distance = std::isfinite(x) ? up - down : 2 * step;
    return static_cast<double>((f(up) - f(down)) / distance);
  }

  double element(const Definition& loss, double y, double t, double* gradient) const {
    const auto f = [&](long double x) { return loss.element(x, t); };
    *gradient = slope(y, f);
    return static_cast<double>(f(y));
  }

  double row(const std::vector<double>& x, const std::vector<double>& k, double* gradient) const {
    std::vector<long double> moved(x.begin(), x.end());
    for (std::size_t c = 0; c < x.size(); ++c) {
      gradient[c] = slope(x[c], [&](long double at) {
        moved[c] = at;
        return formulas::cross_entropy(moved, k);
      });
      moved[c] = x[c];
    }
    return static_cast<double>(formulas::cross_entropy(moved, k));
  }
};

/// Values only; gradients come out as zeros.
struct ByNothing {
  double element(const Definition& loss, double y, double t, double*) const { return loss.element(y, t); }
  double row(const std::vector<double>& x, const std::vector<double>& k, double*) const {
    return formulas::cross_entropy(x, k);
  }
};

/// One evaluation of a loss over a batch. An output is an element of a pointwise loss, or a row of a row loss.
template <class Engine>
class Evaluation {
 public:
  Evaluation(const Definition& loss, const LossInput& input, int top_k, const Engine& engine)
      : loss_(loss), in_(input), top_k_(top_k), engine_(engine), width_(loss.is_row() ? input.cols : 1) {}

  LossOutput run() {
    const std::int64_t outputs = loss_.is_row() ? in_.rows : in_.rows * in_.cols;
    out_.gradient.assign(in_.prediction.size(), 0.0);
    std::vector<double> values(outputs, 0.0);
    std::vector<unsigned char> counts(outputs, 0);
    for (std::int64_t i = 0; i < outputs; ++i) {
      counts[i] = judge(i);
      if (!counts[i]) continue;
      out_.count += 1;
      out_.weight_sum += weight(i) * label_weight(i);
      values[i] = weight(i) * (loss_.is_row() ? row(i) : element(i));
    }
    reduce(values, counts);
    for (const double g : out_.gradient) out_.nonfinite += !std::isfinite(g);
    return std::move(out_);
  }

 private:
  /// A weight or mask array is empty, has one value for each output, or one for each row.
  template <class V>
  V look_up(const std::vector<V>& array, std::int64_t i) const {
    if (array.empty()) return 1;
    const bool for_each_row = !loss_.is_row() && static_cast<std::int64_t>(array.size()) == in_.rows;
    return array[for_each_row ? i / in_.cols : i];
  }
  double weight(std::int64_t i) const { return look_up(in_.weight, i); }
  bool hard() const { return !in_.labels.empty(); }
  double label_weight(std::int64_t i) const {
    return hard() && !in_.class_weight.empty() ? in_.class_weight[in_.labels[i]] : 1;
  }

  /// Whether output i counts; a bad label is noted.
  bool judge(std::int64_t i) {
    if (look_up(in_.mask, i) == 0) return false;
    bool bad = false;
    if (hard()) {
      const std::int64_t label = in_.labels[i];
      if (loss_.has_ignore_index && label == loss_.ignore_index) return false;
      bad = label < 0 || label >= in_.cols;
    } else {
      for (std::int64_t c = 0; c < width_; ++c) bad |= std::isnan(in_.target[i * width_ + c]);
    }
    if (bad && out_.bad_labels++ == 0) out_.first_bad_row = loss_.is_row() ? i : i / in_.cols;
    return !bad;
  }

  /// Value of element i; its derivative goes into the gradient, without weight and divisor.
  double element(std::int64_t i) {
    const double y = in_.prediction[i], t = in_.target[i];
    out_.accuracy_correct += loss_.is_correct(y, t);
    out_.abs_error_sum += std::abs(y - t);
    out_.squared_error_sum += (y - t) * (y - t);
    return engine_.element(loss_, y, t, &out_.gradient[i]);
  }

  double row(std::int64_t i) {
    const auto begin = in_.prediction.begin() + i * width_;
    const std::vector<double> x(begin, begin + width_);
    const double largest = *std::max_element(x.begin(), x.end());  // meaningless with NaN, which is seen first
    const bool has_nan = std::any_of(x.begin(), x.end(), [](double v) { return std::isnan(v); });
    if (has_nan || std::isinf(largest)) {
      std::fill_n(out_.gradient.begin() + i * width_, width_, kNaN);
      return kNaN;
    }
    rank(i, x);
    return engine_.row(x, loss_.coefficients(i, in_), &out_.gradient[i * width_]);
  }

  void rank(std::int64_t i, const std::vector<double>& x) {
    std::int64_t label = 0;
    if (hard()) {
      label = in_.labels[i];
    } else {
      const auto t = in_.target.begin() + i * width_;
      label = std::max_element(t, t + width_) - t;  // the first of equals
    }
    int before = 0;
    for (std::int64_t c = 0; c < width_; ++c) before += x[c] > x[label] || (x[c] == x[label] && c < label);
    out_.accuracy_correct += before == 0;
    out_.top_k_correct += before < top_k_;
  }

  /// Reduces the values, and scales the gradients of each output by weight * upstream / divisor.
  void reduce(std::vector<double>& values, const std::vector<unsigned char>& counts) {
    const bool none = in_.reduction == "none";
    double divisor = 1;
    if (in_.reduction == "mean") divisor = out_.weight_sum;
    if (in_.reduction == "mean_over_batch") divisor = static_cast<double>(in_.rows);
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (!none) out_.value += values[i];
      const double upstream = in_.upstream.empty() ? 1 : in_.upstream[in_.upstream.size() > 1 ? i : 0];
      for (std::int64_t c = 0; c < width_; ++c) {
        double& g = out_.gradient[i * width_ + c];
        g = counts[i] && divisor != 0 ? g * weight(static_cast<std::int64_t>(i)) * upstream / divisor : 0;
      }
    }
    out_.value = divisor != 0 ? out_.value / divisor : 0;
    if (none) out_.values = std::move(values);
  }

  const Definition& loss_;
  const LossInput& in_;
  int top_k_;
  Engine engine_;
  std::int64_t width_;  ///< predictions for each output
  LossOutput out_;
};

template <class Engine>
LossOutput evaluate(std::string_view name, const Options& options, const LossInput& input, int top_k,
                    const Engine& engine) {
  const Definition definition = define(name, options);
  check(definition, input);
  if (top_k < 1) throw std::invalid_argument("reference: top_k is " + std::to_string(top_k) + ", expected at least 1");
  return Evaluation<Engine>(definition, input, top_k, engine).run();
}

}  // namespace

LossOutput loss(std::string_view name, const Options& options, const LossInput& input, int top_k) {
  return evaluate(name, options, input, top_k, ByDuals{});
}

double central_difference(const std::function<double(double)>& f, double x, double step) {
  const double up = x + step, down = x - step;
  return (f(up) - f(down)) / (up - down);
}

double finite_difference(std::string_view name, const Options& options, const LossInput& input, std::int64_t index,
                         double step) {
  LossInput moved = input;
  const double x = moved.prediction.at(static_cast<std::size_t>(index));
  const auto objective = [&](double at) {
    moved.prediction[index] = at;
    const LossOutput out = evaluate(name, options, moved, 1, ByNothing{});
    const auto upstream = [&](std::size_t i) {
      return input.upstream.empty() ? 1 : input.upstream[input.upstream.size() > 1 ? i : 0];
    };
    if (input.reduction != "none") return out.value * upstream(0);
    double sum = 0;
    for (std::size_t i = 0; i < out.values.size(); ++i) sum += out.values[i] * upstream(i);
    return sum;
  };
  return central_difference(objective, x, step);
}

std::vector<double> finite_difference_gradient(std::string_view name, const Options& options, const LossInput& input,
                                               double step) {
  if (!(step > 0)) throw std::invalid_argument("reference: step is not positive");
  return evaluate(name, options, input, 1, ByDifferences{step}).gradient;
}

}  // namespace fuselage::reference
