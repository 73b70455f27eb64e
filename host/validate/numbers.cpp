// Numbers of every domain, and whole rows.
#include "host/validate/numbers.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "fuselage/loss/concepts.h"

namespace fuselage::validate {
namespace {

constexpr double kInfinite = std::numeric_limits<double>::infinity();

/// How far "far from zero" is, and how fine the steps there are: what the type holds.
double far_away(DType type) { return type == DType::f16 ? 1024 : type == DType::bf16 ? 32768 : 1e8; }
double real_offset(DType type) { return type == DType::f32 ? 1e6 : 256; }

/// `other` is what a prediction may be equal to: the element's target. Element i of 16 is ordinary, but for two.
double ordinary(Domain domain, double u, std::int64_t i, double other, bool is_target) {
  const double near_end = std::pow(u, 8), centred = u - 0.5;
  const bool first = !is_target && i % 16 == 3, second = !is_target && i % 16 == 5;
  switch (domain) {
    case Domain::sign: return u < 0.5 ? -1 : 1;
    case Domain::count: return i % 4 == 0 ? 0 : std::floor(20 * near_end * u + 3 * u);
    case Domain::probability:
      if (is_target) return i % 4 == 0 ? 0 : i % 4 == 1 ? 1 : u;
      return first ? near_end : second ? 1 - near_end : u;
    case Domain::logit: return centred * (first ? 80 : second ? 300 : 8);
    case Domain::log_probability: return -(first ? near_end : second ? 60 * u : 8 * u);
    case Domain::log_mean: return centred * (first ? 1 : second ? 60 : 8);
    case Domain::score: return centred * 4;
    case Domain::positive: return 0.01 + (second ? 1000 : 8) * u * u;
    case Domain::non_negative: return first ? other : is_target && i % 4 == 0 ? 0 : (second ? 1000 : 8) * u * u;
    case Domain::real: break;
  }
  return first ? other : centred * (second ? 2000 : 8);
}

/// A prediction that is nearly right, but for the last digits.
double confident(Domain domain, double u, double target) {
  const double little = 1e-3 * (u - 0.5), near_end = 1e-2 * std::pow(u, 4);
  switch (domain) {
    case Domain::logit: return (target > 0.5 ? 1 : -1) * (5 + 20 * u);
    case Domain::probability: return target > 0.5 ? 1 - near_end : near_end;
    case Domain::log_probability: return -near_end;
    case Domain::log_mean: return std::log(std::max(target, 0.1)) + little;
    case Domain::score: return target * (0.5 + 3 * u);
    case Domain::positive:
    case Domain::non_negative: return std::max(target, 0.01) * (1 + little);
    default: return target + little;
  }
}

double number_of(Domain domain, double u, std::int64_t i, double target, DType type, Regime regime) {
  if (regime == Regime::confident) return confident(domain, u, target);
  const bool far = regime == Regime::large_offset;
  if (far && domain == Domain::logit) return 2 * far_away(type) * (u - 0.5);
  if (far && domain == Domain::real) return real_offset(type) + 8 * (u - 0.5);
  return ordinary(domain, u, i, target, false);
}

/// Rows of logits: moderate, wide, so wide that tails vanish, far from zero, all equal.
double logit_of(double u, std::int64_t row) {
  const double centred = u - 0.5;
  switch (row % 8) {
    case 1: return 80 * centred;
    case 2: return 400 * centred;
    case 3: return 1000 + 8 * centred;
    case 4: return 3;
    default: return 8 * centred;
  }
}

/// Coordinates of vectors: moderate, far from zero, none, small. What is compared with them is `other`: nearly the
/// same, the same, none, and the opposite.
double coordinate(double u, std::int64_t row, DType type, Regime regime) {
  const double centred = u - 0.5;
  if (regime == Regime::large_offset) return (type == DType::f32 ? 1000 : 16) + centred;
  switch (row % 8) {
    case 3: return 100 + centred;
    case 4: return 0;
    case 7: return 1e-3 * centred;
    default: return 2 * centred;
  }
}
double compared(double u, std::int64_t row, double other, DType type, Regime regime) {
  if (regime == Regime::confident) return other * (1 + 0.01 * (u - 0.5));
  if (regime == Regime::large_offset) return coordinate(u, row, type, regime);
  switch (row % 8) {
    case 1: return other * (1 + 0.01 * (u - 0.5));
    case 2: return other;
    case 5: return 0;
    case 6: return -other;
    default: return coordinate(u, row, type, regime);
  }
}

void add_elementwise(LossProblem& p, const InputTraits& traits, const Noise& noise, DType type, Shape s,
                     Regime regime) {
  const std::vector<std::int64_t> shape{s.rows, s.cols};
  const bool far = regime == Regime::large_offset && traits.target == Domain::real;
  // The target goes through the prediction's type, so that predictions can be equal to it.
  const Array target = noise.array(kTarget, type, shape, [&](double u, std::int64_t i) {
    return (far ? real_offset(type) : 0) + ordinary(traits.target, u, i, 0, true);
  });
  const std::vector<double> t = to_doubles(target);
  p.target = converted(target, DType::f32);
  p.prediction = noise.array(kPrediction, type, shape, [&](double u, std::int64_t i) {
    return number_of(traits.prediction, u, i, t[static_cast<std::size_t>(i)], type, regime);
  });
  if (traits.inputs < 2) return;
  const std::vector<double> y = to_doubles(p.prediction);
  p.second = noise.array(kSecond, type, shape, [&](double u, std::int64_t i) {
    return number_of(traits.second, u, i + 8, y[static_cast<std::size_t>(i)], type, regime);
  });
}

std::vector<std::int64_t> labels_of(const Noise& noise, Shape s) {
  std::vector<std::int64_t> labels;
  for (std::int64_t r = 0; r < s.rows; ++r)
    labels.push_back(static_cast<std::int64_t>(noise.at(kLabel, r) * static_cast<double>(s.cols)));
  return labels;
}

/// Rows of classes; `labels` are those that a confident row is right about.
void add_classes(LossProblem& p, const InputTraits& traits, const Noise& noise, DType type, Shape s, Regime regime,
                 bool dense) {
  const std::vector<std::int64_t> labels = labels_of(noise, s);
  const auto is_label = [&](std::int64_t i) { return labels[static_cast<std::size_t>(i / s.cols)] == i % s.cols; };
  const auto is_masked = [&](std::int64_t i) { return regime == Regime::masked_inf && i % 3 == 1 && !is_label(i); };
  const bool logits = traits.prediction == Domain::logit || traits.prediction == Domain::score;
  p.prediction = noise.array(kPrediction, type, {s.rows, s.cols}, [&](double u, std::int64_t i) {
    if (is_masked(i)) return -kInfinite;
    if (!logits) return number_of(traits.prediction, u, i, is_label(i) ? 1 : 0, type, regime);
    if (regime == Regime::confident) return 8 * (u - 0.5) + (is_label(i) ? 10.0 + static_cast<double>(i % 20) : 0);
    if (regime == Regime::large_offset) return far_away(type) * (1 + 1e-7 * (u - 0.5));
    return logit_of(u, i / s.cols);
  });
  if (!dense || traits.row_target == RowTarget::labels) {
    p.target = Array::of({s.rows}, labels);
    return;
  }
  p.target = noise.array(kTarget, DType::f32, {s.rows, s.cols}, [&](double u, std::int64_t i) {
    return is_masked(i) ? 0 : 2 * u / static_cast<double>(s.cols);
  });
}

/// Rows that are vectors.
void add_vectors(LossProblem& p, const InputTraits& traits, const Noise& noise, DType type, Shape s, Regime regime) {
  const std::vector<std::int64_t> shape{s.rows, s.cols};
  p.prediction = noise.array(kPrediction, type, shape,
                             [&](double u, std::int64_t i) { return coordinate(u, i / s.cols, type, regime); });
  const std::vector<double> y = to_doubles(p.prediction);
  const auto like = [&](Stream stream, std::int64_t turn) {
    return noise.array(stream, type, shape, [&](double u, std::int64_t i) {
      return compared(u, i / s.cols + turn, y[static_cast<std::size_t>(i)], type, regime);
    });
  };
  if (traits.row_target == RowTarget::dense) p.target = converted(like(kTarget, 0), DType::f32);
  if (traits.inputs > 1) p.second = like(kSecond, 0);
  if (traits.inputs > 2) p.third = like(kThird, 3);
  if (traits.row_target != RowTarget::single) return;
  p.target = noise.array(kTarget, DType::f32, {s.rows}, [&](double u, std::int64_t i) {
    return traits.target == Domain::probability ? (u < 0.5 ? 0.0 : 1.0) : ordinary(traits.target, u, i, 0, true);
  });
}

}  // namespace

InputTraits input_traits(const AnyLoss& loss) {
  return std::visit(
      []<class L>(const L& l) {
        InputTraits t;
        if constexpr (loss::Elementwise<L>) {
          t.elementwise = true;
          t.prediction = L::prediction;
          t.target = L::target;
          t.decides = L::decision != Decision::none;
          if constexpr (loss::PointwisePair<L>) t.second = L::second;
        }
        if constexpr (loss::RowSums<L>) {
          t.prediction = t.second = L::prediction;
          t.row_target = L::row.target;
          t.row_second = L::row.row_second;
          t.of_logits = L::row.softmax;
          if constexpr (requires { L::target; }) t.target = L::target;
        }
        if constexpr (loss::SoftmaxRow<L>) t.of_logits = true;
        if constexpr (!loss::Elementwise<L>) t.decides = t.of_classes();
        // Options that say what the inputs are.
        if constexpr (requires { l.log_target; })
          if (l.log_target) t.target = Domain::log_probability;
        if constexpr (std::is_same_v<L, loss::Kl>)
          if (l.form == loss::KlPrediction::probability) t.prediction = Domain::probability;
        if constexpr (std::is_same_v<L, loss::PolicyGradient>) {
          t.of_logits = l.form == loss::PolicyForm::logits;
          if (!t.of_logits) t.prediction = Domain::log_probability;
        }
        t.inputs = loss::inputs_of<L>().count();
        return t;
      },
      loss);
}

bool concerns(Regime regime, const InputTraits& t) {
  const bool vectors = !t.elementwise && !t.of_classes();
  switch (regime) {
    case Regime::ordinary: return true;
    case Regime::confident: return true;
    case Regime::large_offset: return vectors || t.prediction == Domain::logit || t.prediction == Domain::real;
    case Regime::masked_inf: return t.of_logits;
    case Regime::one_class:
    case Regime::many_classes: return !t.elementwise && t.of_classes();
  }
  return false;
}

void add_data(LossProblem& p, const Noise& noise, DType type, Shape s, Regime regime, bool dense) {
  const InputTraits traits = input_traits(p.loss);
  p.regime = regime;
  if (traits.elementwise)
    add_elementwise(p, traits, noise, type, s, regime);
  else if (traits.of_classes())
    add_classes(p, traits, noise, type, s, regime, dense);
  else
    add_vectors(p, traits, noise, type, s, regime);
  if (!traits.row_second) return;
  p.second = noise.array(kSecond, DType::f32, {s.rows},
                         [&](double u, std::int64_t i) { return ordinary(Domain::real, u, i, 0, true); });
}

void add_bad_labels(LossProblem& p) {
  const InputTraits traits = input_traits(p.loss);
  if (!traits.elementwise && traits.row_target == RowTarget::none) return;
  if (is_label(p.target.dtype())) {
    const auto labels = p.target.as<std::int64_t>();
    for (std::size_t i = 2; i < labels.size(); i += 10) labels[i] = i % 20 == 2 ? p.cols() : -1;
    return;
  }
  const bool classes = !traits.elementwise && traits.of_classes();
  const bool bounded = !classes && traits.target != Domain::real && traits.target != Domain::log_probability;
  const auto targets = p.target.as<float>();
  for (std::size_t i = 2; i < targets.size(); i += 10)
    targets[i] = bounded && i % 20 == 2 ? -3 : std::numeric_limits<float>::quiet_NaN();
}

}  // namespace fuselage::validate
