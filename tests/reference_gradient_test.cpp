// The derivatives of the reference: every loss with its options against finite differences, and the rules of dual
// numbers.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "host/reference/dual.h"
#include "host/reference/reference.h"

namespace fuselage::reference {
namespace {

constexpr char kSoftmax[] = "softmax_cross_entropy";

/// What a loss looks at, and where its formula is made for.
enum class Shape { pointwise, pair, classes, labels, vector, pair_single, triple, action };
Shape shape_of(const std::string& name) {
  if (name == "margin_ranking" || name == "gaussian_nll" || name == "ppo_clip") return Shape::pair;
  if (name == "multi_margin" || name == "categorical_hinge") return Shape::labels;
  if (name == "policy_gradient") return Shape::action;
  if (name == "cosine_similarity") return Shape::vector;
  if (name == "cosine_embedding" || name == "contrastive") return Shape::pair_single;
  if (name == "triplet") return Shape::triple;
  for (const char* of_classes :
       {kSoftmax, "nll", "cross_entropy", "categorical_focal", "poly1", "generalized_cross_entropy"})
    if (name == of_classes) return Shape::classes;
  return Shape::pointwise;
}
bool is_row(const std::string& name) { return shape_of(name) != Shape::pointwise && shape_of(name) != Shape::pair; }
bool is_logit(const std::string& name) {
  for (const char* on_logits :
       {kSoftmax, "bce_with_logits", "focal", "asymmetric", "categorical_focal", "poly1", "generalized_cross_entropy"})
    if (name == on_logits) return true;
  return false;
}

struct Case {
  std::string name;
  Options options;
};

const std::vector<Case> kCases = {
    {"mse", {}},
    {"mae", {}},
    {"huber", {}},
    {"huber", {{"delta", 0.3}}},
    {"smooth_l1", {}},
    {"smooth_l1", {{"beta", 0.4}}},
    {"smooth_l1", {{"beta", 0}}},
    {"log_cosh", {}},
    {"quantile", {{"q", 0.2}}},
    {"expectile", {{"tau", 0.2}}},
    {"cauchy", {{"c", 0.3}}},
    {"tukey", {{"c", 0.5}}},
    {"mape", {}},
    {"smape", {}},
    {"msle", {{"floor", 0.3}}},
    {"relative_l1", {}},
    {"relative_l2", {}},
    {"poisson_nll", {}},
    {"poisson_nll", {{"log_input", 0}, {"full", 1}}},
    {"gamma_nll", {}},
    {"tweedie", {{"power", 1.2}}},
    {"squared_hinge", {}},
    {"soft_margin", {}},
    {"perceptron", {}},
    {"focal", {}},
    {"focal", {{"alpha", 0.3}, {"gamma", 0.5}}},
    {"bce", {}},
    {"bce", {{"pos_weight", 3}, {"label_smoothing", 0.2}}},
    {"bce_with_logits", {{"pos_weight", 3}, {"label_smoothing", 0.2}}},
    {"bce", {{"clip", 0.2}}},
    {"bce_with_logits", {}},
    {"hinge", {}},
    {kSoftmax, {}},
    {kSoftmax, {{"label_smoothing", 0.1}}},
    {kSoftmax, {{"label_smoothing", 1}}},
    {kSoftmax, {{"label_smoothing", 0.3}}},
    {kSoftmax, {{"z_loss", 0.3}}},
    {kSoftmax, {{"temperature", 0.5}}},
    {kSoftmax, {{"softcap", 2}, {"temperature", 0.5}, {"z_loss", 0.1}, {"label_smoothing", 0.3}}},
    {"rmse", {}},
    {"gaussian_nll", {}},
    {"gaussian_nll", {{"full", 1}, {"eps", 0.3}}},
    {"asymmetric", {}},
    {"asymmetric", {{"gamma_pos", 0}, {"gamma_neg", 1.5}, {"clip", 0}}},
    {"kl", {}},
    {"kl", {{"log_target", 1}}},
    {"kl", {{"order", 1}}},
    {"kl", {{"prediction", 1}}},
    {"kl", {{"prediction", 1}, {"order", 1}, {"eps", 0.3}}},
    {"generalized_kl", {}},
    {"js", {}},
    {"js", {{"beta", 0.1}}},
    {"js", {{"beta", 0}}},
    {"js", {{"beta", 1}}},
    {"total_variation", {}},
    {"margin_ranking", {{"margin", 0.3}}},
    {"hinge_embedding", {{"margin", 0.5}}},
    {"ppo_clip", {}},
    {"ppo_clip", {{"clip", 0.05}}},
    {"nll", {{"label_smoothing", 0.1}}},
    {"cross_entropy", {{"label_smoothing", 0.1}}},
    {"cross_entropy", {{"normalise", 0}, {"clip", 0.1}}},
    {"categorical_focal", {}},
    {"categorical_focal", {{"gamma", 0.5}, {"alpha", 2}, {"label_smoothing", 0.1}}},
    {"poly1", {}},
    {"poly1", {{"epsilon", -0.5}, {"label_smoothing", 0.1}}},
    {"generalized_cross_entropy", {}},
    {"generalized_cross_entropy", {{"q", 0.1}}},
    {"multi_margin", {}},
    {"multi_margin", {{"p", 2}, {"margin", 0.5}}},
    {"categorical_hinge", {}},
    {"policy_gradient", {}},
    {"policy_gradient", {{"entropy", 0.3}}},
    {"policy_gradient", {{"entropy", 0.3}, {"form", 1}}},
    {"policy_gradient", {{"form", 2}}},
    {"cosine_similarity", {}},
    {"cosine_similarity", {{"form", 1}, {"eps", 2}}},
    {"cosine_embedding", {}},
    {"cosine_embedding", {{"margin", 0.2}, {"eps", 0.3}}},
    {"contrastive", {}},
    {"contrastive", {{"labels", 1}, {"margin", 3}, {"half", 0}}},
    {"triplet", {}},
    {"triplet", {{"p", 1}, {"swap", 1}}},
    {"triplet", {{"p", 3}, {"margin", 2}}},
};

/// Numbers in (0.02, 0.98) that stand nowhere near a kink of the cases above.
LossInput sample(const std::string& name, std::int64_t rows, std::int64_t cols, bool hard) {
  const Shape shape = shape_of(name);
  const auto numbers = [&](std::int64_t count, double factor) {
    std::vector<double> result;
    for (std::int64_t i = 0; i < count; ++i)
      result.push_back(0.02 + 0.96 * std::fmod(factor * static_cast<double>(i + 1), 1.0));
    return result;
  };
  LossInput in;
  in.rows = rows;
  in.cols = cols;
  in.prediction = numbers(rows * cols, 0.61803398875);
  if (is_logit(name) || shape == Shape::labels)
    for (double& x : in.prediction) x = 8 * x - 4;
  if (shape == Shape::pair || shape == Shape::pair_single || shape == Shape::triple)
    in.second = numbers(rows * cols, 0.41421356237);
  if (shape == Shape::triple) in.third = numbers(rows * cols, 0.73205080757);
  if (shape == Shape::action) in.second = numbers(rows, 0.41421356237);
  if (hard || shape == Shape::labels || shape == Shape::action) {
    for (std::int64_t i = 0; i < rows; ++i) in.labels.push_back((2 * i + 1) % cols);
    return in;
  }
  if (shape == Shape::triple) return in;
  in.target = numbers(shape == Shape::pair_single ? rows : rows * cols, 0.73205080757 * 0.41421356237);
  const bool margin = name.ends_with("hinge") || name == "soft_margin" || name == "perceptron";
  if (margin || name == "margin_ranking" || name == "hinge_embedding" || name == "cosine_embedding")
    for (std::size_t i = 0; i < in.target.size(); ++i) in.target[i] = i % 3 == 0 ? 1 : -1;
  if (name == "contrastive")
    for (std::size_t i = 0; i < in.target.size(); ++i) in.target[i] = i % 3 == 0 ? 1 : 0;
  return in;
}

void expect_gradients(const Case& c, const LossInput& in) {
  const LossOutput out = loss(c.name, c.options, in);
  const std::vector<double>* const gradients[] = {&out.gradient, &out.second_gradient, &out.third_gradient};
  double largest = 0;
  for (const auto* gradient : gradients)
    for (const double g : *gradient) largest = std::max(largest, std::abs(g));
  EXPECT_GT(largest, 0) << c.name;
  for (int which = 0; which < 3; ++which) {
    const std::vector<double>& gradient = *gradients[which];
    const std::vector<double> fine = finite_difference_gradient(c.name, c.options, in, 1e-6, which);
    ASSERT_EQ(fine.size(), gradient.size());
    for (std::size_t i = 0; i < fine.size(); ++i) {
      const double whole = finite_difference(c.name, c.options, in, static_cast<std::int64_t>(i), 1e-5, which);
      EXPECT_NEAR(gradient[i], fine[i], 1e-9 * largest)
          << c.name << " " << in.reduction << " input " << which << " element " << i;
      EXPECT_NEAR(gradient[i], whole, 1e-7 * largest)
          << c.name << " " << in.reduction << " input " << which << " element " << i;
    }
  }
}

TEST(ReferenceGradient, CasesCoverEveryLoss) {
  for (const std::string& name : loss_names()) {
    EXPECT_TRUE(has_loss(name));
    EXPECT_TRUE(std::any_of(kCases.begin(), kCases.end(), [&](const Case& c) { return c.name == name; })) << name;
  }
  EXPECT_FALSE(has_loss("mean"));
}

TEST(ReferenceGradient, IsTheDerivativeOfTheValue) {
  for (const Case& c : kCases) {
    const Shape shape = shape_of(c.name);
    for (const bool hard : {false, true}) {
      if (hard && shape != Shape::classes) continue;
      for (const char* reduction :
           {"none", "sum", "mean", "mean_over_batch", "mean_over_outputs", "mean_over_counted"}) {
        if (c.name == "rmse" && std::string(reduction) == "none") continue;
        LossInput in = sample(c.name, 4, 5, hard);
        in.reduction = reduction;
        expect_gradients(c, in);
        in.weight = {0.5, 2, 1, 3};
        in.mask = {1, 1, 0, 1};
        in.upstream = {-1.5};
        if (shape == Shape::classes || shape == Shape::labels || shape == Shape::action)
          in.class_weight = {1, 0.5, 2, 0, 3};
        expect_gradients(c, in);
        if (in.reduction == "none") {
          in.upstream = {};
          for (int i = 0; i < (is_row(c.name) ? 4 : 20); ++i) in.upstream.push_back(0.25 * i - 1);
          expect_gradients(c, in);
        }
      }
    }
  }
}

TEST(ReferenceGradient, ManyClassesGoInSeveralPasses) {
  for (const bool hard : {false, true})
    expect_gradients({kSoftmax, {{"label_smoothing", 0.1}}}, sample(kSoftmax, 2, 37, hard));
  const LossOutput out = loss(kSoftmax, {}, sample(kSoftmax, 2, 1000, true));
  double sum = 0;
  for (const double g : out.gradient) sum += g;
  EXPECT_NEAR(sum, 0, 1e-14);
}

TEST(ReferenceDual, RulesAgreeWithDifferences) {
  const auto expect_rule = [](const char* what, auto f, double x) {
    const double h = 1e-5;
    const double difference = (f(Dual<1>(x + h)).value - f(Dual<1>(x - h)).value) / (2 * h);
    EXPECT_NEAR(f(Dual<1>(x, 0)).slope[0], difference, 1e-8) << what;
  };
  expect_rule(
      "constants", [](auto x) { return 3 - (2 + (x * 2 - 1)) / 4 + -x + (x + 5) * 7; }, 0.7);
  expect_rule(
      "products", [](auto x) { return x * x - x * (x + x); }, 0.7);
  expect_rule(
      "quotient", [](auto x) { return (x + 2) / (x * x + 1) + 3 / x; }, 0.7);
  expect_rule(
      "exp", [](auto x) { return exp(x); }, 0.7);
  expect_rule(
      "log", [](auto x) { return log(x); }, 0.7);
  expect_rule(
      "log1p", [](auto x) { return log1p(x); }, 0.7);
  expect_rule(
      "sqrt", [](auto x) { return sqrt(x); }, 0.7);
  expect_rule(
      "pow", [](auto x) { return pow(x, 2.5) + pow(x, 0); }, 0.7);
  expect_rule(
      "tanh", [](auto x) { return tanh(x); }, 0.7);
  expect_rule(
      "erfc", [](auto x) { return erfc(x); }, 0.7);
  expect_rule(
      "abs", [](auto x) { return abs(x); }, -0.7);
}

TEST(ReferenceDual, DirectionsDoNotMix) {
  const Dual<3> x(2, 0), y(5, 2);
  const Dual<3> z = x * y / (x + y);
  EXPECT_NEAR(z.slope[0], 25.0 / 49, 1e-15);
  EXPECT_EQ(z.slope[1], 0);
  EXPECT_NEAR(z.slope[2], 4.0 / 49, 1e-15);
}

}  // namespace
}  // namespace fuselage::reference
