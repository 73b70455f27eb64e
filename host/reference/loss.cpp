// Evaluates a loss over a batch: what counts, weights, reductions, metrics.
#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "host/reference/definition.h"
#include "host/reference/engines.h"
#include "host/reference/reference.h"

namespace fuselage::reference {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// One evaluation of a loss over a batch. An output is an element of a pointwise loss, or a row of a row loss.
template <class Engine>
class Evaluation {
 public:
  Evaluation(const Definition& loss, const LossInput& input, int top_k, const Engine& engine)
      : loss_(loss),
        in_(input),
        top_k_(top_k),
        engine_(engine),
        width_(loss.is_row() ? input.cols : 1),
        outputs_(loss.is_row() ? input.rows : input.rows * input.cols),
        gradients_{&out_.gradient, &out_.second_gradient, &out_.third_gradient} {}

  LossOutput run() {
    for (int k = 0; k < loss_.gradients; ++k) {
      gradients_[k]->assign(in_.prediction.size(), 0.0);
      out_.gradient_terms[k].assign(in_.prediction.size(), 0.0);
    }
    const auto outputs = static_cast<std::size_t>(outputs_);
    if (ranks() && in_.cols <= kMostConfused) out_.confusion.assign(static_cast<std::size_t>(in_.cols * in_.cols), 0.0);
    out_.calibration.resize(static_cast<std::size_t>(in_.bins));
    out_.value_tails.assign(static_cast<std::size_t>(in_.rows), 0.0);
    out_.gradient_tails = out_.value_tails;
    out_.value_terms.assign(outputs, 0.0);
    if (!in_.target.empty() && std::isfinite(in_.target[0])) out_.target_shift = in_.target[0];
    std::vector<double> values(outputs, 0.0);
    std::vector<unsigned char> counts(outputs, 0);
    for (std::int64_t i = 0; i < outputs_; ++i) {
      counts[i] = judge(i);
      if (!counts[i]) continue;
      out_.count += 1;
      out_.weight_sum += in_.reduction == "mean_over_counted" ? 1 : weight(i) * label_weight(i);
      const Measured found = loss_.is_row() ? row(i) : element(i);
      values[i] = weight(i) * found.value;
      out_.value_terms[i] = std::abs(weight(i)) * found.term;
      if (loss_.is_row()) out_.value_tails[i] = std::abs(weight(i)) * found.tail;
      out_.magnitude += std::max(std::abs(values[i]), out_.value_terms[i]);
    }
    reduce(values, counts);
    for (const auto* gradient : gradients_)
      for (const double g : *gradient) out_.nonfinite += !std::isfinite(g);
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
  bool ranks() const {
    return loss_.is_row() && (loss_.traits.target == RowKind::classes || loss_.traits.target == RowKind::label);
  }
  double label_weight(std::int64_t i) const {
    return hard() && !in_.class_weight.empty() ? in_.class_weight[in_.labels[i]] : 1;
  }
  std::int64_t row_of(std::int64_t i) const { return loss_.is_row() ? i : i / in_.cols; }

  void note_bad_label(std::int64_t i, double label) {
    if (out_.bad_labels++ > 0) return;
    out_.first_bad_row = row_of(i);
    out_.first_bad_label = label;
  }

  /// Whether row i lies within its sequence. A length that is none is a bad label of the sequence's first row, and no
  /// row of the sequence counts.
  bool within_length(std::int64_t i) {
    if (in_.lengths.empty()) return true;
    const std::int64_t steps = in_.rows / static_cast<std::int64_t>(in_.lengths.size()),
                       length = in_.lengths[i / steps];
    const bool bad = length < 0 || length > steps;
    if (bad && i % steps == 0) note_bad_label(i, static_cast<double>(length));
    return !bad && i % steps < length;
  }

  /// Whether output i counts; a bad label and a bad weight are noted.
  bool judge(std::int64_t i) {
    if (!within_length(i) || look_up(in_.mask, i) == 0) return false;
    if (hard()) {
      const std::int64_t label = in_.labels[i];
      if (label == in_.ignore_index) return false;
      if (label < 0 || label >= in_.cols) return note_bad_label(i, static_cast<double>(label)), false;
    } else {
      const bool single = loss_.is_row() && loss_.traits.target == RowKind::single;
      const std::int64_t width = in_.target.empty() ? 0 : single ? 1 : width_;
      for (std::int64_t c = 0; c < width; ++c) {
        const double t = in_.target[i * width + c];
        if (!loss_.takes(t)) return note_bad_label(i, t), false;
      }
    }
    const double w = weight(i), of_label = label_weight(i);
    const bool good = w >= 0 && std::isfinite(w);
    if (good && of_label >= 0 && std::isfinite(of_label)) return true;
    if (out_.bad_weights++ == 0) {
      out_.first_bad_weight_row = row_of(i);
      out_.first_bad_weight = good ? of_label : w;
    }
    return false;
  }

  /// Value of element i; its derivatives go into the gradients, without weight and divisor.
  Measured element(std::int64_t i) {
    const double y = in_.prediction[i], t = in_.target[i], from_shift = t - out_.target_shift;
    const double z = loss_.inputs > 1 ? in_.second[i] : 0;
    if (loss_.element->decides()) {
      const bool chosen = loss_.element->is_chosen(y), positive = loss_.element->is_positive(t);
      out_.accuracy_correct += chosen == positive;
      out_.positives += positive;
      out_.chosen += chosen;
      out_.hits += chosen && positive;
    }
    out_.abs_error_sum += std::abs(y - t);
    out_.squared_error_sum += (y - t) * (y - t);
    out_.target_sum += from_shift;
    out_.target_squared_sum += from_shift * from_shift;
    Sized slopes[2];
    const Measured found = engine_.element(*loss_.element, y, z, t, slopes);
    for (int k = 0; k < loss_.gradients; ++k) {
      (*gradients_[k])[i] = slopes[k].value;
      out_.gradient_terms[k][i] = slopes[k].term;
    }
    return found;
  }

  Row<double> read_row(std::int64_t i) const {
    const auto part = [&](const std::vector<double>& from) {
      return std::vector<double>(from.begin() + i * width_, from.begin() + (i + 1) * width_);
    };
    Row<double> row;
    row.x = part(in_.prediction);
    if (loss_.traits.row_constant) row.constant = in_.second[i];
    if (loss_.traits.inputs > 1) row.second = part(in_.second);
    if (loss_.traits.inputs > 2) row.third = part(in_.third);
    row.weight = in_.class_weight.empty() ? std::vector<double>(row.size(), 1.0) : in_.class_weight;
    if (loss_.traits.target == RowKind::single) {
      row.single = in_.target[i];
    } else if (hard()) {
      row.label = in_.labels[i];
      row.target.assign(row.size(), 0.0);
      row.target[static_cast<std::size_t>(row.label)] = 1;
    } else if (!in_.target.empty()) {
      row.target = part(in_.target);
    }
    return row;
  }

  Measured row(std::int64_t i) {
    const Row<double> row = read_row(i);
    const std::vector<double>& x = row.x;
    const double largest = *std::max_element(x.begin(), x.end());  // meaningless with NaN, which is seen first
    const bool has_nan = std::any_of(x.begin(), x.end(), [](double v) { return std::isnan(v); });
    if (loss_.traits.softmax && (has_nan || std::isinf(largest))) {
      std::fill_n(out_.gradient.begin() + i * width_, width_, kNaN);
      return {kNaN, 0, 0};
    }
    std::vector<Sized> slopes[3];
    const Measured found = engine_.row(*loss_.row, row, slopes);
    if (ranks() && !std::isnan(found.value)) rank(row);
    for (int k = 0; k < loss_.gradients; ++k) {
      for (std::size_t c = 0; c < slopes[k].size(); ++c) {
        (*gradients_[k])[i * width_ + c] = slopes[k][c].value;
        out_.gradient_terms[k][i * width_ + c] = slopes[k][c].term;
      }
    }
    return found;
  }

  void rank(const Row<double>& row) {
    const std::vector<double>& x = row.x;
    const auto first_greatest = [](const std::vector<double>& of) {  // NaN are passed over
      std::size_t best = 0;
      for (std::size_t c = 1; c < of.size(); ++c)
        if (of[c] > of[best] || std::isnan(of[best])) best = c;
      return best;
    };
    const std::size_t label = row.label >= 0 ? static_cast<std::size_t>(row.label) : first_greatest(row.target);
    int before = 0;
    for (std::size_t c = 0; c < x.size(); ++c) before += x[c] > x[label] || (x[c] == x[label] && c < label);
    out_.accuracy_correct += before == 0;
    out_.top_k_correct += before < top_k_;
    const std::size_t most = first_greatest(x);
    if (std::isnan(x[most])) return;
    if (out_.confusion.empty() && in_.bins == 0) return;
    const std::vector<double> p = loss_.row->probabilities(row);
    if (!p.empty() && std::isnan(p[most])) return;
    if (!out_.confusion.empty()) out_.confusion[label * x.size() + most] += 1;
    if (in_.bins == 0) return;
    if (p.empty()) throw std::invalid_argument("reference: the rows of this loss have no probabilities for `bins`");
    const double confidence = std::clamp(p[most], 0.0, 1.0);
    const auto bin = static_cast<std::int64_t>(confidence * static_cast<double>(in_.bins));
    CalibrationBin& found = out_.calibration[static_cast<std::size_t>(std::min(bin, in_.bins - 1))];
    found.rows += 1;
    found.right += before == 0;
    found.confidence += confidence;
  }

  double divisor() const {
    if (in_.reduction == "none" || in_.reduction == "sum") return 1;
    if (in_.divisor > 0) return in_.divisor;
    if (in_.reduction == "mean_over_batch") return static_cast<double>(in_.rows);
    if (in_.reduction == "mean_over_outputs") return static_cast<double>(outputs_);
    return out_.weight_sum;
  }

  /// Reduces the values, and scales the gradients of each output by weight * upstream / divisor.
  void reduce(std::vector<double>& values, const std::vector<unsigned char>& counts) {
    const bool none = in_.reduction == "none";
    out_.divisor = divisor();
    double sum = 0;
    for (const double v : values) sum += v;
    if (!none) out_.value = out_.divisor > 0 ? sum / out_.divisor : 0;
    out_.magnitude = out_.divisor > 0 ? out_.magnitude / out_.divisor : 0;
    double slope = out_.divisor > 0 ? 1 / out_.divisor : 0;
    if (loss_.root) {
      out_.value = std::sqrt(out_.value);
      out_.magnitude = std::sqrt(out_.magnitude);
      slope = out_.value > 0 ? slope * (0.5 / out_.value) : slope * out_.value;  // 0 at 0, NaN at NaN
    }
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double upstream = in_.upstream.empty() ? 1 : in_.upstream[in_.upstream.size() > 1 ? i : 0];
      const double factor = counts[i] ? weight(static_cast<std::int64_t>(i)) * upstream * slope : 0;
      for (int k = 0; k < loss_.gradients; ++k) {
        for (std::int64_t c = 0; c < width_; ++c) {
          double& g = (*gradients_[k])[i * width_ + c];
          double& term = out_.gradient_terms[k][i * width_ + c];
          g = counts[i] && out_.divisor > 0 ? g * factor : 0;
          term *= std::abs(factor);
        }
      }
      if (loss_.is_row()) out_.gradient_tails[i] = out_.value_tails[i] * std::abs(upstream * slope);
    }
    if (none) out_.values = std::move(values);
  }

  const Definition& loss_;
  const LossInput& in_;
  int top_k_;
  Engine engine_;
  std::int64_t width_;  ///< predictions for each output
  std::int64_t outputs_;
  LossOutput out_;
  std::vector<double>* gradients_[3];
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
  return evaluate(name, options, input, top_k, ByRules{});
}

double central_difference(const std::function<double(double)>& f, double x, double step) {
  const double up = x + step, down = x - step;
  return (f(up) - f(down)) / (up - down);
}

double finite_difference(std::string_view name, const Options& options, const LossInput& input, std::int64_t index,
                         double step, int which) {
  LossInput moved = input;
  std::vector<double>& array = which == 0 ? moved.prediction : which == 1 ? moved.second : moved.third;
  double& element = array.at(static_cast<std::size_t>(index));
  const auto objective = [&](double at) {
    element = at;
    const LossOutput out = evaluate(name, options, moved, 1, ByNothing{});
    const auto upstream = [&](std::size_t i) {
      return input.upstream.empty() ? 1 : input.upstream[input.upstream.size() > 1 ? i : 0];
    };
    if (input.reduction != "none") return out.value * upstream(0);
    double sum = 0;
    for (std::size_t i = 0; i < out.values.size(); ++i) sum += out.values[i] * upstream(i);
    return sum;
  };
  return central_difference(objective, element, step);
}

std::vector<double> finite_difference_gradient(std::string_view name, const Options& options, const LossInput& input,
                                               double step, int which) {
  if (!(step > 0)) throw std::invalid_argument("reference: step is not positive");
  const LossOutput out = evaluate(name, options, input, 1, ByDifferences{step});
  return which == 0 ? out.gradient : which == 1 ? out.second_gradient : out.third_gradient;
}

}  // namespace fuselage::reference
