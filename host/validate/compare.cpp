// Errors in ulp. What a term is stands in include/fuselage/validate.h.
#include "host/validate/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>

namespace fuselage::validate {
namespace {

using Doubles = std::vector<double>;

constexpr double kInf = std::numeric_limits<double>::infinity();
/// A derivative is an fp32 number before weight and divisor scale it, so it carries the rounding of a denormal there,
/// and is infinite where that number is too large, less what a few roundings may add.
constexpr double kSmallestNormal = 0x1p-126, kLargest = 0x1.ffffp127;
/// e^-86, rounded up: smaller probabilities vanish (core/softmax.h).
constexpr double kTail = 0x1p-124, kLogOfTail = 88;
/// A softcap's slope is 4E/(1 + E)^2, and E = e^(-2|x|/cap) vanishes as a term does.
constexpr double kSoftcapSlope = 4;

/// Of an ulp: the farthest that a correctly rounded number is, and what the reference's own roundings make of ties.
constexpr double kHalf = 0.5 + 1e-9;

struct Format {
  int digits, lowest_exponent;
  double largest;
};

Format format_of(DType type) {
  switch (type) {
    case DType::bf16: return {8, -126, 0x1.fep127};
    case DType::f16: return {11, -14, 65504};
    case DType::f64: return {53, -1022, std::numeric_limits<double>::max()};
    default: return {24, -126, 0x1.fffffep127};
  }
}

/// What a gradient is multiplied by beside its derivative, and what may be flushed to zero.
class Scale {
 public:
  Scale(const LossProblem& p, const reference::LossOutput& expected)
      : problem_(p), input_(reference_input(p)), expected_(expected), row_(p.is_row()) {
    if (expected.divisor > 0) slope_ = 1 / expected.divisor;
    if (definition_of(p).root) slope_ *= expected.value > 0 ? 0.5 / expected.value : 0;
    const auto options = reference_options(p.loss);
    const auto temperature = options.find("temperature");
    if (temperature != options.end() && temperature->second < 1) heat_ = 1 / temperature->second;
    const auto softcap = options.find("softcap");
    if (softcap != options.end() && softcap->second > 0) heat_ *= kSoftcapSlope;
    const auto entropy = options.find("entropy");
    if (entropy != options.end()) entropy_ = entropy->second;
  }

  double weight(std::int64_t i) const {
    const auto& w = input_.weight;
    const bool by_row = row_ || static_cast<std::int64_t>(w.size()) == problem_.rows();
    const std::int64_t r = row_ ? i : i / std::max<std::int64_t>(problem_.cols(), 1);
    return w.empty() ? 1 : std::abs(w[static_cast<std::size_t>(by_row ? r : i)]);
  }
  /// Of output i.
  double at(std::int64_t i) const {
    const auto& u = input_.upstream;
    const double upstream = u.empty() ? 1 : u[u.size() > 1 ? static_cast<std::size_t>(i) : 0];
    return std::abs(weight(i) * upstream * slope_);
  }
  /// Of a gradient in row r: the first term of p_c sum(q) - q_c is 0 from p_c < e^-86 on, and where it would be
  /// denormal. An entropy multiplies p_c by its logarithm.
  double flushed(std::int64_t r) const {
    if (!row_) return 0;
    const double of_entropy = entropy_ * kLogOfTail * at(r);
    const double tail = expected_.gradient_tails[static_cast<std::size_t>(r)] * heat_ + of_entropy;
    return tail > 0 ? std::max(tail * kTail, kSmallestNormal) : 0;
  }
  /// Of the value of output i.
  double flushed_value(std::int64_t i) const {
    if (!row_) return 0;
    const double of_entropy = entropy_ * kLogOfTail * weight(i);
    const double tail = expected_.value_tails[static_cast<std::size_t>(i)] + of_entropy;
    return tail * kTail * static_cast<double>(problem_.cols());
  }

 private:
  const LossProblem& problem_;
  reference::LossInput input_;
  const reference::LossOutput& expected_;
  bool row_;
  double slope_ = 0, heat_ = 1, entropy_ = 0;
};

/// The divisor is a result of its own, judged as one; value and gradient are judged by the divisor that they were
/// given.
double rescale_of(const LossProblem& p, const reference::LossOutput& expected, const LossSolution& got) {
  const double sums = expected.weight_sum / got.report.weight_sum;
  const bool own = p.reduction == Reduction::mean && p.divisor == 0;
  if (!own || !(std::abs(sums - 1) < 1e-5)) return 1;
  return definition_of(p).root ? std::sqrt(sums) : sums;
}

/// A loss that takes the smaller of two distances, which fp32 sums may not tell apart: the derivative jumps where they
/// are equal. Both choices, so that a row may be either.
class Choices {
 public:
  explicit Choices(const LossProblem& p) : name_(Losses::name_of(p.loss)), in_(reference_input(p)), cols_(p.cols()) {
    options_ = reference_options(p.loss);
    const auto swap = options_.find("swap");
    there_are_ = swap != options_.end() && swap->second != 0;
  }
  /// Whether the gradient of element i by input k is right for one of two choices between which row r stands.
  template <class Right>
  bool allow(std::size_t k, std::int64_t i, const Right& right) {
    if (!there_are_) return false;
    if (gradients_[0].empty()) evaluate();
    const auto r = static_cast<std::size_t>(i / cols_), at = static_cast<std::size_t>(i);
    if (!(std::abs(values_[0][r] - values_[1][r]) <= 0x1p-20 * std::abs(values_[0][r]))) return false;
    return right(gradients_[0][k][at]) || right(gradients_[1][k][at]);
  }

 private:
  void evaluate() {
    reference::LossInput rows = in_;
    rows.reduction = "none";
    rows.upstream.clear();
    for (const std::size_t choice : {0u, 1u}) {
      options_["swap"] = choice == 0 ? 0 : 2;
      reference::LossOutput out = reference::loss(name_, options_, in_);
      gradients_[choice] = {std::move(out.gradient), std::move(out.second_gradient), std::move(out.third_gradient)};
      values_[choice] = reference::loss(name_, options_, rows).values;
    }
  }

  std::string_view name_;
  reference::Options options_;
  reference::LossInput in_;
  std::int64_t cols_;
  bool there_are_ = false;
  std::vector<Doubles> gradients_[2];
  Doubles values_[2];
};

void compare_gradients(const LossProblem& p, const reference::LossOutput& expected, const LossSolution& got,
                       Findings& findings) {
  const Array* const gradients[] = {&got.gradient, &got.second_gradient, &got.third_gradient};
  const std::vector<double>* const references[] = {&expected.gradient, &expected.second_gradient,
                                                   &expected.third_gradient};
  constexpr const char* kNames[] = {"", " by second", " by third"};
  const DType type = p.prediction.dtype();
  const Scale scale(p, expected);
  const double rescale = rescale_of(p, expected, got);
  std::int64_t not_finite = 0;
  const double jump = type == DType::f32 ? 16 : 1;  // above what roundings make
  Choices choices(p);
  for (std::size_t k = 0; k < 3; ++k) {
    if (references[k]->empty()) continue;
    const std::vector<double> gradient = to_doubles(*gradients[k]);
    for (std::int64_t i = 0; i < p.rows() * p.cols(); ++i) {
      const auto at = static_cast<std::size_t>(i);
      const double g = gradient[at], e = (*references[k])[at] * rescale;
      not_finite += !std::isfinite(g);
      const std::int64_t r = i / p.cols();
      const double flushed = scale.flushed(r);
      if (g == 0 && std::abs(e) <= flushed) continue;
      findings.gradients += std::isfinite(e);
      const double factor = scale.at(p.is_row() ? r : i), least = factor * kSmallestNormal;
      if (std::isinf(g) && std::signbit(g) == std::signbit(e) && std::abs(e) >= factor * kLargest) continue;
      const double term = std::max(expected.gradient_terms[k][at], least), error = error_in_ulp(type, g, e, term);
      findings.rounded_gradients += std::isfinite(e) && error <= kHalf;
      if (g == e) continue;
      // A derivative that is a sum of tails lacks those that vanished.
      if (std::abs(g - e) <= static_cast<double>(p.cols()) * flushed) continue;
      const auto right = [&](double other) { return error_in_ulp(type, g, other * rescale, term) <= jump; };
      if (error > jump && choices.allow(k, i, right)) continue;
      findings.gradient.see(error, p.text + kNames[k], i);
    }
  }
  const auto reported = static_cast<double>(got.report.nonfinite), counted = static_cast<double>(not_finite);
  if (reported != counted) findings.note(p.text, "nonfinite", reported, counted);
}

}  // namespace

double ulp_at(DType type, double x) {
  const Format f = format_of(type);
  const int exponent = x == 0 || !std::isfinite(x) ? f.lowest_exponent : std::max(std::ilogb(x), f.lowest_exponent);
  return std::ldexp(1.0, exponent - f.digits + 1);
}

double error_in_ulp(DType type, double got, double expected, double term) {
  if (std::isnan(got) || std::isnan(expected)) return std::isnan(got) && std::isnan(expected) ? 0 : kInf;
  if (std::isinf(got) && std::signbit(got) == std::signbit(expected)) {
    const double largest = format_of(type).largest;
    return std::abs(expected) >= largest - 2 * ulp_at(type, largest) ? 0 : kInf;
  }
  if (std::isinf(got) || std::isinf(expected)) return kInf;
  return std::abs(got - expected) / ulp_at(type, std::max(std::abs(expected), std::abs(term)));
}

void Worst::see(double error, const std::string& text, std::int64_t index) {
  if (error <= ulp) return;  // NaN passes on
  ulp = error;
  where = index < 0 ? text : fmt::format("{}, element {}", text, index);
}

void Findings::note(const std::string& text, std::string_view what, double got, double expected) {
  if (mismatch.empty()) mismatch = fmt::format("{}: {} is {}, expected {}", text, what, got, expected);
}

void compare(const LossProblem& p, const reference::LossOutput& expected, const LossSolution& got, Findings& findings) {
  const LossReport& r = got.report;
  const auto equal = [&](std::string_view what, auto is, auto should) {
    if (static_cast<double>(is) != static_cast<double>(should))
      findings.note(p.text, what, static_cast<double>(is), static_cast<double>(should));
  };
  const auto near = [&](std::string_view what, double is, double should, double term = 0) {
    findings.value.see(error_in_ulp(DType::f32, is, should, term), fmt::format("{}: {}", p.text, what));
  };
  const double rescale = rescale_of(p, expected, got);
  near("value", r.value, expected.value * rescale, expected.magnitude * rescale);
  near("weight_sum", r.weight_sum, expected.weight_sum);
  equal("count", r.count, expected.count);
  equal("bad_labels", r.bad_labels, expected.bad_labels);
  equal("first_bad_row", r.first_bad_row, expected.first_bad_row);
  equal("bad_weights", r.bad_weights, expected.bad_weights);
  equal("first_bad_weight_row", r.first_bad_weight_row, expected.first_bad_weight_row);
  if (!std::isnan(expected.first_bad_weight)) equal("first_bad_weight", r.first_bad_weight, expected.first_bad_weight);
  if (p.metrics.accuracy) {
    equal("correct", r.correct, expected.accuracy_correct);
    equal("positives", r.positives, expected.positives);
    equal("chosen", r.chosen, expected.chosen);
    equal("hits", r.hits, expected.hits);
  }
  for (std::size_t i = 0; i < got.confusion.size(); ++i) equal("confusion", got.confusion[i], expected.confusion[i]);
  if (p.metrics.top_k > 0) equal("top_k_correct", r.top_k_correct, expected.top_k_correct);
  if (p.metrics.errors) {
    near("abs_error_sum", r.abs_error_sum, expected.abs_error_sum);
    near("squared_error_sum", r.squared_error_sum, expected.squared_error_sum);
  }
  if (p.metrics.targets) {
    equal("target_shift", r.target_shift, expected.target_shift);
    near("target_squared_sum", r.target_squared_sum, expected.target_squared_sum);
    near("target_sum", r.target_sum, expected.target_sum,
         std::sqrt(expected.target_squared_sum * static_cast<double>(expected.count)));
  }
  equal("untouched gap", got.gap_kept, true);
  const auto values = got.values.as<float>();
  const Scale scale(p, expected);
  for (std::size_t i = 0; i < expected.values.size(); ++i) {
    const double is = static_cast<double>(values[i]), should = expected.values[i];
    const auto output = static_cast<std::int64_t>(i);
    if (is == should) continue;
    const double flushed = should < 1e-25 ? scale.flushed_value(output) : 0;
    const double error = error_in_ulp(DType::f32, is, should, expected.value_terms[i]);
    findings.value.see(std::abs(is - should) <= flushed ? 0 : error, p.text, output);
  }
  compare_gradients(p, expected, got, findings);
}

std::string difference(const LossSolution& a, const LossSolution& b) {
  // Twenty-one fields of eight bytes and a flag, then padding.
  static_assert(offsetof(LossReport, rejected) == 21 * 8 && sizeof(LossReport) == 22 * 8);
  if (std::bit_cast<std::uint64_t>(a.report.value) != std::bit_cast<std::uint64_t>(b.report.value))
    return fmt::format("value {} and {}", a.report.value, b.report.value);
  if (std::memcmp(&a.report, &b.report, offsetof(LossReport, rejected)) != 0 || a.report.rejected != b.report.rejected)
    return "report";
  if (a.confusion != b.confusion) return "confusion";
  if (a.calibration != b.calibration) return "calibration";
  if (!(a.values == b.values)) return "values";
  if (!(a.gradient == b.gradient)) return "gradient";
  if (!(a.second_gradient == b.second_gradient)) return "gradient by second";
  if (!(a.third_gradient == b.third_gradient)) return "gradient by third";
  return {};
}

std::string difference(const std::vector<StepSolution>& a, const std::vector<StepSolution>& b) {
  for (std::size_t k = 0; k < a.size(); ++k) {
    if (a[k].parameters != b[k].parameters) return fmt::format("parameters of step {}", k + 1);
    if (a[k].state != b[k].state) return fmt::format("state of step {}", k + 1);
    if (std::memcmp(&a[k].counters, &b[k].counters, sizeof(StepState)) != 0) return fmt::format("counters {}", k + 1);
  }
  return {};
}

}  // namespace fuselage::validate
