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
    {"bce", {}},
    {"bce", {{"clip", 0.2}}},
    {"bce_with_logits", {}},
    {"hinge", {}},
    {kSoftmax, {}},
    {kSoftmax, {{"label_smoothing", 0.1}}},
    {kSoftmax, {{"label_smoothing", 1}}},
    {kSoftmax, {{"ignore_index", 2}, {"label_smoothing", 0.3}}},
};

/// Numbers in (0.02, 0.98) that stand nowhere near a kink of the cases above.
LossInput sample(const std::string& name, std::int64_t rows, std::int64_t cols, bool hard) {
  LossInput in;
  in.rows = rows;
  in.cols = cols;
  for (std::int64_t i = 0; i < rows * cols; ++i) {
    in.prediction.push_back(0.02 + 0.96 * std::fmod(0.61803398875 * static_cast<double>(i + 1), 1.0));
    in.target.push_back(0.02 + 0.96 * std::fmod(0.41421356237 * static_cast<double>(i + 1), 1.0));
    if (name == "hinge") in.target.back() = i % 3 == 0 ? 1.5 : -1;
    if (name == kSoftmax || name == "bce_with_logits") in.prediction.back() = 8 * in.prediction.back() - 4;
  }
  if (!hard) return in;
  in.target.clear();
  for (std::int64_t i = 0; i < rows; ++i) in.labels.push_back((2 * i + 1) % cols);
  return in;
}

void expect_gradients(const Case& c, const LossInput& in) {
  const LossOutput out = loss(c.name, c.options, in);
  const std::vector<double> fine = finite_difference_gradient(c.name, c.options, in);
  double largest = 0;
  for (const double g : out.gradient) largest = std::max(largest, std::abs(g));
  EXPECT_GT(largest, 0) << c.name;
  for (std::size_t i = 0; i < fine.size(); ++i) {
    const double whole = finite_difference(c.name, c.options, in, static_cast<std::int64_t>(i));
    EXPECT_NEAR(out.gradient[i], fine[i], 1e-9 * largest) << c.name << " " << in.reduction << " element " << i;
    EXPECT_NEAR(out.gradient[i], whole, 1e-7 * largest) << c.name << " " << in.reduction << " element " << i;
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
    for (const bool hard : {false, true}) {
      if (hard && c.name != kSoftmax) continue;
      for (const char* reduction : {"none", "sum", "mean", "mean_over_batch"}) {
        LossInput in = sample(c.name, 4, 5, hard);
        in.reduction = reduction;
        expect_gradients(c, in);
        in.weight = {0.5, 2, 1, 3};
        in.mask = {1, 1, 0, 1};
        in.upstream = {-1.5};
        if (c.name == kSoftmax) in.class_weight = {1, 0.5, 2, 0, 3};
        expect_gradients(c, in);
        if (in.reduction == "none") {
          in.upstream = {};
          for (int i = 0; i < (c.name == kSoftmax ? 4 : 20); ++i) in.upstream.push_back(0.25 * i - 1);
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
