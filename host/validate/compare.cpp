// Errors in ulp. What a term is stands in include/fuselage/validate.h.
#include "host/validate/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>

#include "host/reference/definition.h"

namespace fuselage::validate {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
/// A derivative is an fp32 number before weight and divisor scale it, so it carries the rounding of a denormal there.
constexpr double kSmallestNormal = 0x1p-126;
/// e^-86, rounded up: smaller probabilities vanish (core/softmax.h).
constexpr double kTail = 0x1p-124;

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

/// The larger of the two terms whose difference is a pointwise derivative, before weight and divisor; 0 where the
/// derivative is no difference of rounded terms. A loss that is not named here is held to its own result.
double derivative_term(const AnyLoss& loss, double y, double t) {
  const std::string_view name = Losses::name_of(loss);
  if (name == "bce_with_logits") {
    const double tail = 1 / (1 + std::exp(std::abs(y)));  // sigmoid(-|y|)
    return std::max(tail, y >= 0 ? std::abs(1 - t) : std::abs(t));
  }
  if (name == "bce" && y > 0 && y < 1) return std::max(t / y, (1 - t) / (1 - y));
  return 0;
}

/// For every element of the gradient: its largest term, and how much may be flushed to zero there.
class GradientScale {
 public:
  GradientScale(const LossProblem& p, const reference::LossOutput& expected)
      : problem_(p), input_(reference_input(p)), row_(p.is_row()) {
    divisor_ = p.reduction == Reduction::mean              ? expected.weight_sum
               : p.reduction == Reduction::mean_over_batch ? static_cast<double>(p.rows())
                                                           : 1;
    if (row_) {
      const auto options = std::visit([](const auto& l) { return reference_options(l); }, p.loss);
      definition_ = reference::define(Losses::name_of(p.loss), options);
    }
  }

  struct Scale {
    double term, flushed;
  };
  /// For element (r, c), whose derivative is `expected`.
  Scale at(std::int64_t r, std::int64_t c, double expected) {
    const std::int64_t i = r * problem_.cols() + c;
    const auto at = static_cast<std::size_t>(i);
    if (!(divisor_ > 0)) return {0, 0};
    const double factor = weight(r, i) * upstream(row_ ? r : i) / divisor_, size = std::abs(factor);
    if (!row_) {
      const double term = derivative_term(problem_.loss, input_.prediction[at], input_.target[at]);
      return {size * std::max(term, kSmallestNormal), 0};
    }
    if (r != last_row_) read_row(r);
    // Softmax: p_c sum(q) - q_c. The first term is 0 from p_c < e^-86 on, and where it would be denormal.
    const double q = coefficients_.empty() ? 0 : coefficients_[static_cast<std::size_t>(c)];
    const double of_p = std::abs(expected + factor * q), of_q = size * std::abs(q);
    return {std::max({of_p, of_q, size * kSmallestNormal}), std::max(size * sum_ * kTail, kSmallestNormal)};
  }
  /// What the value of row r may lose with the tail of its softmax.
  double flushed_value(std::int64_t r) {
    if (!row_) return 0;
    if (r != last_row_) read_row(r);
    return weight(r, r) * sum_ * kTail * static_cast<double>(problem_.cols());
  }

 private:
  double weight(std::int64_t r, std::int64_t i) const {
    const auto& w = input_.weight;
    if (w.empty()) return 1;
    return w[static_cast<std::size_t>(row_ || static_cast<std::int64_t>(w.size()) == problem_.rows() ? r : i)];
  }
  double upstream(std::int64_t output) const {
    const auto& u = input_.upstream;
    return u.empty() ? 1 : u[u.size() > 1 ? static_cast<std::size_t>(output) : 0];
  }
  void read_row(std::int64_t r) {
    last_row_ = r;
    const auto label = input_.labels.empty() ? 0 : input_.labels[static_cast<std::size_t>(r)];
    coefficients_ = label >= 0 && label < problem_.cols() ? definition_.coefficients(r, input_) : std::vector<double>();
    sum_ = 0;
    for (const double q : coefficients_) sum_ += std::abs(q);
  }

  const LossProblem& problem_;
  reference::LossInput input_;
  reference::Definition definition_;
  bool row_;
  double divisor_ = 1;
  std::int64_t last_row_ = -1;
  std::vector<double> coefficients_;
  double sum_ = 0;
};

void compare_gradient(const LossProblem& p, const reference::LossOutput& expected, const LossSolution& got,
                      Findings& findings) {
  const std::vector<double> gradient = to_doubles(got.gradient);
  const DType type = p.prediction.dtype();
  GradientScale scales(p, expected);
  // The divisor is a result of its own, judged as one; the gradient is judged by the divisor that it was given.
  const double sums = expected.weight_sum / got.report.weight_sum;
  const double rescale = p.reduction == Reduction::mean && std::abs(sums - 1) < 1e-5 ? sums : 1;
  std::int64_t not_finite = 0;
  for (std::int64_t r = 0; r < p.rows(); ++r) {
    for (std::int64_t c = 0; c < p.cols(); ++c) {
      const std::int64_t i = r * p.cols() + c;
      const double g = gradient[static_cast<std::size_t>(i)];
      const double e = expected.gradient[static_cast<std::size_t>(i)] * rescale;
      not_finite += !std::isfinite(g);
      if (g == e) continue;
      const auto scale = scales.at(r, c, e);
      if (g == 0 && std::abs(e) <= scale.flushed) continue;
      findings.gradient.see(error_in_ulp(type, g, e, scale.term), p.text, i);
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
  const auto near = [&](std::string_view what, double is, double should) {
    findings.value.see(error_in_ulp(DType::f32, is, should), fmt::format("{}: {}", p.text, what));
  };
  near("value", r.value, expected.value);
  near("weight_sum", r.weight_sum, expected.weight_sum);
  equal("count", r.count, expected.count);
  equal("bad_labels", r.bad_labels, expected.bad_labels);
  equal("first_bad_row", r.first_bad_row, expected.first_bad_row);
  if (p.metrics.accuracy) equal("correct", r.correct, expected.accuracy_correct);
  if (p.metrics.top_k > 0) equal("top_k_correct", r.top_k_correct, expected.top_k_correct);
  if (p.metrics.errors) {
    near("abs_error_sum", r.abs_error_sum, expected.abs_error_sum);
    near("squared_error_sum", r.squared_error_sum, expected.squared_error_sum);
  }
  equal("untouched gap", got.gap_kept, true);
  const auto values = got.values.as<float>();
  GradientScale scales(p, expected);
  for (std::size_t i = 0; i < expected.values.size(); ++i) {
    const double is = static_cast<double>(values[i]), should = expected.values[i];
    const auto output = static_cast<std::int64_t>(i);
    if (is == should) continue;
    const double flushed = should < 1e-25 ? scales.flushed_value(output) : 0;
    findings.value.see(std::abs(is - should) <= flushed ? 0 : error_in_ulp(DType::f32, is, should), p.text, output);
  }
  compare_gradient(p, expected, got, findings);
}

std::string difference(const LossSolution& a, const LossSolution& b) {
  // Twelve fields of eight bytes and a flag, then padding.
  static_assert(offsetof(LossReport, rejected) == 12 * 8 && sizeof(LossReport) == 13 * 8);
  if (std::bit_cast<std::uint64_t>(a.report.value) != std::bit_cast<std::uint64_t>(b.report.value))
    return fmt::format("value {} and {}", a.report.value, b.report.value);
  if (std::memcmp(&a.report, &b.report, offsetof(LossReport, rejected)) != 0 || a.report.rejected != b.report.rejected)
    return "report";
  if (!(a.values == b.values)) return "values";
  if (!(a.gradient == b.gradient)) return "gradient";
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
