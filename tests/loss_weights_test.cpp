// Weights of every kind: what a weight of 0 is, what is none, and what a mean divides by.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "support/batches.h"

namespace fuselage {
namespace {

using testing::message_of;
using Floats = std::vector<float>;

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

LossReport run(const AnyLoss& loss, const LossBatch& batch) {
  LossReport report;
  make_cpu_backend({2, {}})->loss(loss, batch, &report);
  return report;
}
LossReport run(const char* loss, const LossBatch& batch) { return run(Losses::parse(loss, "loss"), batch); }

TEST(Weights, AWeightOfZeroMultipliesAndAMaskLeavesOut) {
  const std::vector<float> x{kNaN, 0, 1, 2}, target{1, 0, 0, 1}, weight{0, 1};
  const std::vector<std::int64_t> labels{0, 1};
  const std::vector<std::uint8_t> mask{0, 1};
  for (const char* loss : {"mse", "huber", "bce_with_logits", "softmax_cross_entropy", "poly1", "cosine_similarity"}) {
    const bool classes = traits_of(Losses::parse(loss, "loss")).has_classes();
    std::vector<float> gradient(4);
    LossBatch b;
    b.prediction = {x.data(), 2, 2};
    b.target = classes ? ConstView(labels.data(), 2) : ConstView(target.data(), 2, 2);
    b.gradient = {gradient.data(), 2, 2};
    b.weight = {weight.data(), 2};
    LossReport report = run(loss, b);
    EXPECT_TRUE(std::isnan(report.value)) << loss << ": PyTorch's 0 times NaN";
    EXPECT_TRUE(std::isnan(gradient[0])) << loss;
    EXPECT_TRUE(report.rejected) << loss;
    b.mask = {mask.data(), 2};
    report = run(loss, b);
    EXPECT_TRUE(std::isfinite(report.value)) << loss;
    EXPECT_EQ(gradient[0], 0) << loss;
    EXPECT_FALSE(report.rejected) << loss;
  }
}

TEST(Weights, BadWeightsAreNamedWithTheirRow) {
  const std::vector<float> x{1, 2, 3}, weight{1, -0.5f, kNaN};
  LossBatch b;
  b.prediction = b.target = {x.data(), 3};
  b.weight = {weight.data(), 3};
  const LossReport report = run("mse", b);
  EXPECT_EQ(report.first_bad_weight, -0.5);
  EXPECT_EQ(message_of([&] { check_report(report, BadLabels::error, false); }),
            "bad_argument: 2 weights are negative or not finite; the first is -0.5, in row 1");
}

TEST(Weights, SmoothingTakesTheWeightsOfAllClasses) {
  const Floats x{-1, -2, -3, -4, -5, -6, -7, -8, -9};
  const std::vector<std::uint8_t> labels{0, 0, 1};
  int losses = 0;
  for (const std::string_view name : Losses::names) {
    AnyLoss loss = Losses::parse(std::string(name), "loss");
    const bool smooths = std::visit(
        [](const auto& l) {
          return requires { l.label_smoothing; };
        },
        loss);
    if (!smooths || !traits_of(loss).has_classes()) continue;
    ++losses;
    for (const float bad : {-1.0f, kNaN, kInf}) {
      const Floats class_weight{1, 1, bad};
      LossBatch b;
      b.prediction = {x.data(), 3, 3};
      b.target = {labels.data(), 3};
      b.class_weight = {class_weight.data(), 1, 3};
      LossReport report = run(loss, b);
      EXPECT_EQ(report.bad_weights, 0) << name << ": no row has this class";
      EXPECT_FALSE(report.rejected);
      AnyLoss smoothed = loss;
      Losses::set(smoothed, "label_smoothing", "0.1");
      report = run(smoothed, b);
      EXPECT_EQ(report.bad_weights, 1) << name;
      EXPECT_EQ(report.first_bad_weight_row, 0);
      EXPECT_TRUE(report.first_bad_weight == bad || bad != bad) << report.first_bad_weight;
      EXPECT_TRUE(report.rejected);
    }
  }
  EXPECT_EQ(losses, 5);
}

/// The divisor is the number of what counts: neither masked, nor ignored, nor bad, whatever it weighs.
TEST(Weights, AMeanOverWhatCounts) {
  const Floats y{1, 2, 3, 4, 5}, zero{0, 0, 0, 0, kNaN}, weight{2, 0, 0.5f, 4, 1};
  const std::vector<std::uint8_t> mask{1, 1, 1, 0, 1};
  Floats gradient(5);
  LossBatch b;
  b.prediction = {y.data(), 5};
  b.target = {zero.data(), 5};
  b.weight = {weight.data(), 5};
  b.mask = {mask.data(), 5};
  b.gradient = {gradient.data(), 5};
  b.reduction = Reduction::mean_over_counted;
  LossReport report = run("mse", b);
  EXPECT_EQ(report.count, 3);
  EXPECT_EQ(report.weight_sum, 3);
  EXPECT_EQ(report.value, (2 * 1 + 0 + 0.5 * 9) / 3);
  EXPECT_EQ(gradient, (Floats{4.0f / 3, 0, 1, 0, 0}));
  const Floats logits{0, 0, 0, 0, 0, 0, 0, 0}, class_weight{1, 3};
  const std::vector<std::int32_t> labels{0, 1, -1, 1};
  b = {};
  b.prediction = {logits.data(), 4, 2};
  b.target = {labels.data(), 4};
  b.weight = {weight.data(), 4};
  b.class_weight = {class_weight.data(), 1, 2};
  b.reduction = Reduction::mean_over_counted;
  report = run("softmax_cross_entropy:ignore_index=-1", b);
  EXPECT_EQ(report.weight_sum, 3);
  EXPECT_NEAR(report.value, std::log(2.0) * (2 + 0 + 4 * 3) / 3, 1e-6);
  EXPECT_NEAR(run("nll:ignore_index=-1", b).weight_sum, 3, 0);
}

}  // namespace
}  // namespace fuselage
