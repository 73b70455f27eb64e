// The reference losses: published and hand-made numbers, and the contracts on masks, labels and divisors. Numbers
// without another source come from mpmath with 40 digits.
#include "host/reference/reference.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

namespace fuselage::reference {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// One column: every element is a row of its own.
LossInput column(std::vector<double> y, std::vector<double> t) {
  LossInput in;
  in.rows = static_cast<std::int64_t>(y.size());
  in.cols = 1;
  in.prediction = std::move(y);
  in.target = std::move(t);
  return in;
}

LossInput labelled(std::int64_t cols, std::vector<double> x, std::vector<std::int64_t> labels) {
  LossInput in;
  in.rows = static_cast<std::int64_t>(labels.size());
  in.cols = cols;
  in.prediction = std::move(x);
  in.labels = std::move(labels);
  return in;
}

LossInput dense(std::int64_t cols, std::vector<double> x, std::vector<double> t) {
  LossInput in = column(std::move(x), std::move(t));
  in.rows /= cols;
  in.cols = cols;
  return in;
}

/// Whether a loss takes a prediction and a target for each element.
bool is_plain(const std::string& name) {
  try {
    loss(name, {}, column({0.5}, {1}));
    return true;
  } catch (const std::invalid_argument&) {
    return false;
  }
}

double value(std::string_view name, const Options& options, const LossInput& in) {
  return loss(name, options, in).value;
}

/// Relative to the larger magnitude; equal infinities and zeros are near.
void expect_near(double got, double expected, double relative, const std::string& what = "") {
  if (got == expected) return;
  EXPECT_LE(std::abs(got - expected), relative * std::max(std::abs(got), std::abs(expected)))
      << what << ": got " << got << ", expected " << expected;
}

void expect_near(const std::vector<double>& got, const std::vector<double>& expected, double relative) {
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    expect_near(got[i], expected[i], relative, "element " + std::to_string(i));
  }
}

constexpr char kSoftmax[] = "softmax_cross_entropy";

// ---- known numbers ----

TEST(ReferenceLoss, PublishedExamples) {
  // scikit-learn's user guide, and two pages of TensorFlow's documentation.
  EXPECT_DOUBLE_EQ(value("mse", {}, column({2.5, 0, 2, 8}, {3, -0.5, 2, 7})), 0.375);
  EXPECT_DOUBLE_EQ(value("mae", {}, column({2.5, 0, 2, 8}, {3, -0.5, 2, 7})), 0.5);
  expect_near(value("hinge", {}, column({-1.5, 1.2, 0.9, -0.8}, {-1, 1, 1, -1})), 0.075, 1e-14);
  expect_near(value("bce", {}, column({0.1, 0.8, 0.9, 0.2}, {0, 1, 1, 0})), 0.164252033486018028, 1e-14);
}

TEST(ReferenceLoss, HuberAndSmoothL1) {
  LossInput in = column({-3, -1, 0.5, 4, 2}, {0, 0, 0, 0, 0});
  in.reduction = "none";
  const LossOutput huber = loss("huber", {{"delta", 2}}, in);
  expect_near(huber.values, {4, 0.5, 0.125, 6, 2}, 1e-15);  // the first four also from Optax
  expect_near(huber.gradient, {-2, -1, 0.5, 2, 2}, 1e-15);
  const LossOutput smooth = loss("smooth_l1", {{"beta", 2}}, in);
  expect_near(smooth.values, {2, 0.25, 0.0625, 3, 1}, 1e-15);
  expect_near(smooth.gradient, {-1, -0.5, 0.25, 1, 1}, 1e-15);
  const LossOutput defaults = loss("huber", {}, in);
  expect_near(defaults.values, {2.5, 0.5, 0.125, 3.5, 1.5}, 1e-15);
  expect_near(loss("smooth_l1", {}, in).values, defaults.values, 0);  // they are equal at 1
  EXPECT_EQ(loss("smooth_l1", {{"beta", 0}}, in).values, loss("mae", {}, in).values);
}

TEST(ReferenceLoss, KinksHaveDerivativeZero) {
  EXPECT_EQ(loss("mae", {}, column({1.5}, {1.5})).gradient[0], 0);
  EXPECT_EQ(loss("smooth_l1", {{"beta", 0}}, column({1.5}, {1.5})).gradient[0], 0);
  EXPECT_EQ(loss("hinge", {}, column({1}, {1})).gradient[0], 0);
  EXPECT_EQ(loss("hinge", {}, column({0.5}, {-1})).gradient[0], 1);
}

TEST(ReferenceLoss, BceAtZeroAndOne) {
  LossInput in = column({0, 1, 0, 1}, {0, 1, 1, 0});
  in.reduction = "none";
  const LossOutput out = loss("bce", {}, in);
  EXPECT_EQ(out.values, (std::vector<double>{0, 0, 100, 100}));
  EXPECT_EQ(out.gradient, (std::vector<double>{1, -1, 0, 0}));
  const LossOutput clipped = loss("bce", {{"clip", 0.125}}, in);
  expect_near(clipped.values, {-std::log(0.875), -std::log(0.875), -std::log(0.125), -std::log(0.125)}, 1e-15);
  EXPECT_EQ(clipped.gradient, (std::vector<double>{0, 0, 0, 0}));
  // log(1 - p) keeps a small p.
  expect_near(value("bce", {}, column({1e-20}, {0})), 1e-20, 1e-15);
  expect_near(value("bce", {}, column({1e-42}, {1})), -std::log(1e-42), 1e-15);  // 96.7 is above the floor
}

TEST(ReferenceLoss, BceWithLogits) {
  const auto one = [](double x, double t) { return loss("bce_with_logits", {}, column({x}, {t})); };
  expect_near(one(-100, 0).value, 3.72007597602083596e-44, 1e-14);
  expect_near(one(100, 1).value, 3.72007597602083596e-44, 1e-14);
  expect_near(one(-20, 0).value, 2.0611536203143807e-9, 1e-14);
  expect_near(one(20, 1).value, 2.0611536203143807e-9, 1e-14);
  EXPECT_EQ(one(0, 0).gradient[0], 0.5);
  EXPECT_EQ(one(0, 1).gradient[0], -0.5);
  EXPECT_EQ(one(-50, 1).gradient[0], -1);
  EXPECT_EQ(one(1e8, 0).value, 1e8);
  EXPECT_EQ(one(1e8, 0).gradient[0], 1);
  expect_near(value("bce_with_logits", {}, column({0, -120}, {0, 1})), 60.3465735902799727, 1e-15);
  // log(1 + e^x) - t x as printed, where it neither overflows nor cancels.
  expect_near(one(1.5, 0.25).value, std::log(1 + std::exp(1.5)) - 0.25 * 1.5, 1e-14);
}

TEST(ReferenceLoss, CrossEntropyKeepsItsDigits) {
  const auto row = [](std::vector<double> x) { return loss(kSoftmax, {}, labelled(2, std::move(x), {0})); };
  expect_near(row({1e8, 1e8}).value, 0.693147180559945309, 1e-15);
  expect_near(row({1e8, 1e8}).gradient, {-0.5, 0.5}, 1e-15);
  EXPECT_EQ(row({0, 200}).value, 200);
  expect_near(row({0, 200}).gradient, {-1, 1}, 1e-15);
  expect_near(row({0, -17}).value, 4.13993763308974745e-8, 1e-14);
  expect_near(row({0, -17}).gradient, {-4.1399375473943306e-8, 4.1399375473943306e-8}, 1e-14);
  expect_near(row({0, -12}).value, 6.14419347773280543e-6, 1e-14);
  expect_near(row({95, 0}).gradient, {-5.52108227702853273e-42, 5.52108227702853273e-42}, 1e-14);
}

TEST(ReferenceLoss, CrossEntropySmoothing) {
  const Options smooth = {{"label_smoothing", 0.2}};
  expect_near(value(kSoftmax, smooth, labelled(3, {1, 0, 0}, {0})), 0.684778047265384422, 1e-14);
  // An ignored row adds no smoothing term.
  LossInput second_ignored = labelled(3, {1, 0, 0, 5, 6, 7}, {0, -100});
  second_ignored.ignore_index = -100;
  const LossOutput both = loss(kSoftmax, smooth, second_ignored);
  expect_near(both.value, 0.684778047265384422, 1e-14);
  EXPECT_EQ(both.count, 1);
  LossInput weighted = labelled(3, {1, 0, 0, 0, 2, 0, 9, 9, 9}, {0, 1, -100});
  weighted.class_weight = {1, 2, 3};
  weighted.ignore_index = -100;
  const LossOutput out = loss(kSoftmax, {{"label_smoothing", 0.1}}, weighted);
  expect_near(out.value, 0.506337350367452847, 1e-14);
  EXPECT_EQ(out.weight_sum, 3);
  EXPECT_EQ(out.bad_labels, 0);
  for (int c = 6; c < 9; ++c) EXPECT_EQ(out.gradient[c], 0);
}

TEST(ReferenceLoss, CrossEntropyWithDenseTargets) {
  LossInput in = dense(4, {0.5, -1.25, 2, 0.75}, {0.25, 0, 0.5, 0.5});
  expect_near(value(kSoftmax, {}, in), 1.5465350732673784, 1e-14);  // Optax
  in.class_weight = {1, 0.5, 2, 3};
  const LossOutput out = loss(kSoftmax, {{"label_smoothing", 0.125}}, in);
  expect_near(out.value, 3.32448571544565199, 1e-14);
  expect_near(out.gradient, {0.126018351517147889, 0.0497171917528704547, 0.747697336240938188, -0.923432879510956532},
              1e-14);
  EXPECT_EQ(out.weight_sum, 1);
  // A one-hot target is the label.
  const LossOutput hot = loss(kSoftmax, {}, dense(3, {1, 2, -1}, {0, 0, 1}));
  const LossOutput hard = loss(kSoftmax, {}, labelled(3, {1, 2, -1}, {2}));
  EXPECT_EQ(hot.value, hard.value);
  EXPECT_EQ(hot.gradient, hard.gradient);
}

TEST(ReferenceLoss, CrossEntropyWithInfiniteLogits) {
  const LossOutput masked = loss(kSoftmax, {}, dense(4, {0.5, -kInfinity, 2, -1}, {0, 0, 1, 0}));
  expect_near(masked.value, 0.24131129665715706, 1e-14);
  expect_near(masked.gradient, {0.17529039214003669, 0, 0.785597034589275858 - 1, 0.039112573270687452}, 1e-14);
  EXPECT_EQ(masked.nonfinite, 0);
  const LossOutput off = loss(kSoftmax, {}, labelled(3, {0, -kInfinity, 0}, {1}));
  EXPECT_EQ(off.value, kInfinity);
  EXPECT_EQ(off.gradient, (std::vector<double>{0.5, -1, 0.5}));
  for (const std::vector<double>& x :
       {std::vector<double>{-kInfinity, -kInfinity}, {0, kNaN}, {kNaN, 0}, {kInfinity, 0}}) {
    LossInput in = labelled(2, {x[0], x[1], 1, 2}, {0, 1});
    in.reduction = "none";
    const LossOutput out = loss(kSoftmax, {}, in);
    EXPECT_TRUE(std::isnan(out.values[0]));
    EXPECT_TRUE(std::isnan(out.gradient[0]) && std::isnan(out.gradient[1]));
    EXPECT_EQ(out.nonfinite, 2);
    EXPECT_EQ(out.values[1], value(kSoftmax, {}, labelled(2, {1, 2}, {1})));  // the neighbour is untouched
    in.mask = {0, 1};
    EXPECT_EQ(loss(kSoftmax, {}, in).nonfinite, 0);
  }
}

TEST(ReferenceLoss, ZeroDenseTargetGivesZero) {
  const LossOutput out = loss(kSoftmax, {}, dense(3, {1, 5, -2}, {0, 0, 0}));
  EXPECT_EQ(out.value, 0);
  EXPECT_EQ(out.gradient, (std::vector<double>{0, 0, 0}));
  EXPECT_EQ(out.count, 1);
}

// ---- what counts ----

TEST(ReferenceLoss, NothingThatCountsGivesZero) {
  for (const char* reduction : {"none", "sum", "mean", "mean_over_batch"}) {
    LossInput in = labelled(2, {1, 2, kNaN, 4, 5, 6, 7, 8}, {7, 7, 7, 7});
    in.reduction = reduction;
    in.ignore_index = 7;
    const LossOutput out = loss(kSoftmax, {}, in);
    EXPECT_EQ(out.value, 0);
    EXPECT_EQ(out.count, 0);
    EXPECT_EQ(out.bad_labels, 0);
    EXPECT_EQ(out.gradient, std::vector<double>(8, 0.0));
    for (const std::string& name : loss_names()) {
      LossInput empty;
      empty.reduction = name == "rmse" && std::string(reduction) == "none" ? "sum" : reduction;
      const LossOutput nothing = loss(name, {}, empty);
      EXPECT_EQ(nothing.value, 0) << name;
      EXPECT_EQ(nothing.count, 0) << name;
    }
  }
}

TEST(ReferenceLoss, BadLabelsAreCountedAndLeftOut) {
  const std::int64_t lowest = std::numeric_limits<std::int64_t>::min();
  LossInput in = labelled(3, {1, 0, 0, 9, 9, 9, 9, 9, 9, 9, 9, 9}, {0, 3, lowest, -1});
  in.ignore_index = -1;
  const LossOutput out = loss(kSoftmax, {}, in);
  EXPECT_EQ(out.bad_labels, 2);
  EXPECT_EQ(out.first_bad_row, 1);
  EXPECT_EQ(out.count, 1);
  EXPECT_EQ(out.value, value(kSoftmax, {}, labelled(3, {1, 0, 0}, {0})));
  for (int i = 3; i < 12; ++i) EXPECT_EQ(out.gradient[i], 0);
  LossInput pointwise = dense(2, {1, 2, 3, 4}, {0, 0, 0, kNaN});
  const LossOutput nan = loss("mse", {}, pointwise);
  EXPECT_EQ(nan.bad_labels, 1);
  EXPECT_EQ(nan.first_bad_row, 1);
  EXPECT_EQ(nan.weight_sum, 3);
  expect_near(nan.value, 14.0 / 3, 1e-15);
  pointwise.mask = {1, 1, 1, 0};
  EXPECT_EQ(loss("mse", {}, pointwise).bad_labels, 0);
  EXPECT_EQ(loss("mse", {}, pointwise).first_bad_row, -1);
  const LossOutput row = loss(kSoftmax, {}, dense(2, {1, 2, 3, 4}, {kNaN, kNaN, 0, 1}));
  EXPECT_EQ(row.bad_labels, 1);
  EXPECT_EQ(row.first_bad_row, 0);
  EXPECT_EQ(row.count, 1);
}

TEST(ReferenceLoss, WeightsMasksAndReductions) {
  LossInput in = dense(2, {1, 2, 3, kNaN}, {0, 0, 0, 0});
  in.weight = {2, 0.5};  // each row's, once for each element
  in.mask = {1, 1, 1, 0};
  const auto run = [&](const char* reduction) {
    in.reduction = reduction;
    return loss("mse", {}, in);
  };
  const LossOutput none = run("none");
  EXPECT_EQ(none.values, (std::vector<double>{2, 8, 4.5, 0}));
  EXPECT_EQ(none.gradient, (std::vector<double>{4, 8, 3, 0}));
  EXPECT_EQ(none.value, 0);
  EXPECT_EQ(none.weight_sum, 4.5);
  EXPECT_EQ(none.count, 3);
  EXPECT_EQ(none.nonfinite, 0);
  EXPECT_EQ(none.abs_error_sum, 6);
  EXPECT_EQ(none.squared_error_sum, 14);
  EXPECT_EQ(run("sum").value, 14.5);
  EXPECT_EQ(run("sum").gradient, none.gradient);
  EXPECT_TRUE(run("sum").values.empty());
  expect_near(run("mean").value, 14.5 / 4.5, 1e-15);
  expect_near(run("mean").gradient, {4 / 4.5, 8 / 4.5, 3 / 4.5, 0}, 1e-15);
  EXPECT_EQ(run("mean_over_batch").value, 7.25);
  EXPECT_EQ(run("mean_over_batch").gradient, (std::vector<double>{2, 4, 1.5, 0}));
  in.weight = {0, 0, 0, 5};  // each element's
  EXPECT_EQ(run("mean").value, 0);
  EXPECT_EQ(run("mean").gradient, std::vector<double>(4, 0.0));
  EXPECT_EQ(run("mean").count, 3);
  in.weight[3] = kNaN;  // what is left out is 0 whatever stands there
  EXPECT_EQ(run("sum").gradient, std::vector<double>(4, 0.0));
  EXPECT_EQ(run("sum").weight_sum, 0);
}

TEST(ReferenceLoss, UpstreamScalesEachOutput) {
  LossInput in = labelled(2, {1, 2, 0, 0, 3, 1, 2, 5}, {0, 1, 1, 0});
  in.reduction = "none";
  const LossOutput plain = loss(kSoftmax, {}, in);
  in.upstream = {1, 0, 2, -1};
  const LossOutput scaled = loss(kSoftmax, {}, in);
  EXPECT_EQ(scaled.values, plain.values);
  for (int i = 0; i < 8; ++i) EXPECT_EQ(scaled.gradient[i], plain.gradient[i] * in.upstream[i / 2]);
  in.upstream = {2};
  for (int i = 0; i < 8; ++i) EXPECT_EQ(loss(kSoftmax, {}, in).gradient[i], 2 * plain.gradient[i]);
}

TEST(ReferenceLoss, HitsAreCounted) {
  // Second of two equals, first of two equals twice, last, and a row with NaN, which is never right.
  const LossInput in = labelled(4, {1, 3, 3, 0, 3, 3, 1, 0, 0, 2, 2, 0, 1, 2, 3, 4, 0, kNaN, 0, 0}, {2, 0, 1, 0, 0});
  EXPECT_EQ(loss(kSoftmax, {}, in).accuracy_correct, 2);
  EXPECT_EQ(loss(kSoftmax, {}, in, 1).top_k_correct, 2);
  EXPECT_EQ(loss(kSoftmax, {}, in, 2).top_k_correct, 3);
  EXPECT_EQ(loss(kSoftmax, {}, in, 3).top_k_correct, 3);
  EXPECT_EQ(loss(kSoftmax, {}, in, 4).top_k_correct, 4);
  EXPECT_EQ(loss(kSoftmax, {}, dense(2, {1, 2, 2, 1}, {0.25, 0.75, 0.5, 0.5})).accuracy_correct, 2);
  EXPECT_EQ(loss("bce", {}, column({0.5, 0.75, 0.25}, {0, 1, 1})).accuracy_correct, 2);
  EXPECT_EQ(loss("bce_with_logits", {}, column({0, 2, 0.25}, {0, 1, 0})).accuracy_correct, 2);
  EXPECT_EQ(loss("hinge", {}, column({-2, -2, 2, 0.25}, {-1, -1, 1, -1})).accuracy_correct, 3);
  EXPECT_EQ(loss("mse", {}, column({1, 1}, {1, 1})).accuracy_correct, 0);
}

TEST(ReferenceLoss, PredictionsThatAreNaNShow) {
  for (const std::string& name : loss_names()) {
    if (!is_plain(name) || name == "nll") continue;  // the derivative of nll knows nothing of its prediction
    const LossOutput out = loss(name, {}, column({kNaN, 0.5}, {1, 1}));
    EXPECT_TRUE(std::isnan(out.value)) << name;
    EXPECT_TRUE(std::isnan(out.gradient[0])) << name;
    EXPECT_EQ(out.nonfinite, name == "rmse" ? 2 : 1) << name;  // a root shares its NaN
  }
}

// ---- refusals ----

TEST(ReferenceLoss, RefusesWhatItDoesNotKnow) {
  const LossInput in = column({1}, {1});
  EXPECT_THROW(loss("mss", {}, in), std::invalid_argument);
  EXPECT_THROW(loss("mse", {{"delta", 1}}, in), std::invalid_argument);
  EXPECT_THROW(loss("huber", {{"delta", 0}}, in), std::invalid_argument);
  EXPECT_THROW(loss("huber", {{"delta", kNaN}}, in), std::invalid_argument);
  EXPECT_THROW(loss("smooth_l1", {{"beta", -1}}, in), std::invalid_argument);
  EXPECT_THROW(loss("bce", {{"clip", 0.5}}, in), std::invalid_argument);
  EXPECT_THROW(loss(kSoftmax, {{"label_smoothing", 1.5}}, in), std::invalid_argument);
  EXPECT_THROW(loss(kSoftmax, {}, in, 0), std::invalid_argument);
  const auto refused = [](const char* name, LossInput changed) {
    EXPECT_THROW(loss(name, {}, changed), std::invalid_argument);
  };
  LossInput bad = in;
  bad.target = {1, 2};
  refused("mse", bad);
  (bad = in).labels = {0};
  refused("mse", bad);
  refused(kSoftmax, bad);
  (bad = in).weight = {1, 2};
  refused("mse", bad);
  (bad = in).mask = {1, 1};
  refused("mse", bad);
  (bad = in).class_weight = {1};
  refused("mse", bad);
  (bad = in).class_weight = {1, 2};
  refused(kSoftmax, bad);
  (bad = in).reduction = "median";
  refused("mse", bad);
  (bad = in).upstream = {1, 2};
  refused("mse", bad);
  (bad = in).rows = -1;
  refused("mse", bad);
}

}  // namespace
}  // namespace fuselage::reference
