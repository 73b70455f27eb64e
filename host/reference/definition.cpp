// The list of the losses, what options each takes, and what input each accepts.
#include "host/reference/definition.h"

#include <cmath>
#include <stdexcept>
#include <string>
#include <utility>

#include "host/reference/options.h"

namespace fuselage::reference {
namespace {

constexpr std::pair<std::string_view, Formula> kLosses[] = {
    {"mse", Formula::mse},     {"mae", Formula::mae},
    {"huber", Formula::huber}, {"smooth_l1", Formula::smooth_l1},
    {"bce", Formula::bce},     {"bce_with_logits", Formula::bce_with_logits},
    {"hinge", Formula::hinge}, {"softmax_cross_entropy", Formula::softmax_cross_entropy},
};

void expect(bool condition, const std::string& message) {
  if (!condition) throw std::invalid_argument("reference: " + message);
}

void expect_size(const std::string& what, std::size_t size, std::int64_t expected) {
  expect(static_cast<std::int64_t>(size) == expected,
         what + " has " + std::to_string(size) + " values, expected " + std::to_string(expected));
}

void check_classes(const LossInput& in) {
  expect(in.cols > 0 || in.rows == 0, "a row loss needs at least one class");
  if (!in.labels.empty() || in.target.empty()) {
    expect(in.target.empty(), "both labels and target are given");
    expect_size("labels", in.labels.size(), in.rows);
  } else {
    expect_size("target", in.target.size(), in.rows * in.cols);
  }
  if (!in.class_weight.empty()) expect_size("class_weight", in.class_weight.size(), in.cols);
}

}  // namespace

std::vector<std::string> loss_names() {
  std::vector<std::string> names;
  for (const auto& [name, formula] : kLosses) names.emplace_back(name);
  return names;
}

bool has_loss(std::string_view name) {
  for (const auto& entry : kLosses) {
    if (entry.first == name) return true;
  }
  return false;
}

Definition define(std::string_view name, const Options& options) {
  expect(has_loss(name), "there is no loss '" + std::string(name) + "'");
  Definition loss;
  for (const auto& entry : kLosses) {
    if (entry.first == name) loss.formula = entry.second;
  }
  OptionReader reader(name, options);
  if (loss.formula == Formula::huber) {
    loss.delta = reader.get("delta", 1);
    if (!(loss.delta > 0)) reader.fail("delta", "is not positive");
  } else if (loss.formula == Formula::smooth_l1) {
    loss.beta = reader.get("beta", 1);
    if (!(loss.beta >= 0)) reader.fail("beta", "is negative");
  } else if (loss.formula == Formula::bce) {
    loss.clip = reader.get("clip", 0);
    if (!(0 <= loss.clip && loss.clip < 0.5)) reader.fail("clip", "is not in [0, 0.5)");
  } else if (loss.is_row()) {
    loss.label_smoothing = reader.get_between("label_smoothing", 0, 0, 1);
    loss.has_ignore_index = reader.has("ignore_index");
    const double ignore = reader.get("ignore_index", 0);
    // Up to 2^53 a double holds every integer.
    if (std::trunc(ignore) != ignore || std::abs(ignore) > 9007199254740992.0) {
      reader.fail("ignore_index", "is not an integer that a double can hold");
    }
    loss.ignore_index = static_cast<std::int64_t>(ignore);
  }
  reader.finish();
  return loss;
}

void check(const Definition& loss, const LossInput& in) {
  expect(in.rows >= 0 && in.cols >= 0, "rows or cols is negative");
  const std::int64_t elements = in.rows * in.cols;
  expect_size("prediction", in.prediction.size(), elements);
  if (loss.is_row()) {
    check_classes(in);
  } else {
    expect_size("target", in.target.size(), elements);
    expect(in.labels.empty(), "a pointwise loss takes target, not labels");
    expect(in.class_weight.empty(), "a pointwise loss takes no class_weight");
  }
  const auto expect_rows = [&](const std::string& what, std::size_t size) {
    if (size == 0 || (!loss.is_row() && static_cast<std::int64_t>(size) == elements)) return;
    expect_size(what, size, in.rows);
  };
  expect_rows("weight", in.weight.size());
  expect_rows("mask", in.mask.size());
  const bool none = in.reduction == "none";
  expect(none || in.reduction == "sum" || in.reduction == "mean" || in.reduction == "mean_over_batch",
         "there is no reduction '" + in.reduction + "'");
  if (in.upstream.size() > 1)
    expect_size("upstream", in.upstream.size(), !none ? 1 : loss.is_row() ? in.rows : elements);
}

bool Definition::is_correct(double y, double t) const {
  if (formula == Formula::bce) return (y > 0.5) == (t > 0.5);
  if (formula == Formula::bce_with_logits) return (y > 0) == (t > 0.5);
  if (formula == Formula::hinge) return (y > 0) == (t > 0);
  return false;
}

std::vector<double> Definition::coefficients(std::int64_t row, const LossInput& in) const {
  const double e = label_smoothing;
  const auto weight = [&](std::int64_t c) { return in.class_weight.empty() ? 1.0 : in.class_weight[c]; };
  std::vector<double> k(in.cols);
  for (std::int64_t c = 0; c < in.cols; ++c) {
    const double t = in.labels.empty() ? in.target[row * in.cols + c] : (c == in.labels[row] ? 1.0 : 0.0);
    k[c] = weight(c) * ((1 - e) * t + e / static_cast<double>(in.cols));
  }
  return k;
}

}  // namespace fuselage::reference
