// What is counted of the decisions of binary losses: targets and predictions that are a yes, and both.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "fuselage/metric/confusion.h"
#include "fuselage/metrics.h"
#include "host/reference/reference.h"
#include "support/batches.h"

namespace fuselage {
namespace {

using testing::message_of;
using Floats = std::vector<float>;

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr const char* kBinary[] = {"bce",   "bce_with_logits", "focal",       "asymmetric",
                                   "hinge", "squared_hinge",   "soft_margin", "perceptron"};

struct Column {
  Floats y, t;
  LossBatch batch() const {
    LossBatch b;
    b.prediction = {y.data(), static_cast<std::int64_t>(y.size()), 1};
    b.target = {t.data(), static_cast<std::int64_t>(t.size()), 1};
    b.metrics.decisions = true;
    return b;
  }
};

LossReport run(Backend& backend, const char* loss, const LossBatch& b) {
  LossReport report;
  backend.loss(Losses::parse(loss, "loss"), b, &report);
  return report;
}

void expect_decisions(const LossReport& r, std::int64_t positives, std::int64_t chosen, std::int64_t hits,
                      const std::string& what) {
  EXPECT_EQ(r.positives, positives) << what;
  EXPECT_EQ(r.chosen, chosen) << what;
  EXPECT_EQ(r.hits, hits) << what;
  EXPECT_EQ(r.correct, r.count - positives - chosen + 2 * hits) << what;
}

TEST(Decisions, ByHand) {
  const auto cpu = make_cpu_backend({1, {}});
  // The middle itself is a no, of targets too; a negative that is decided for is no hit.
  const Column probabilities{{0.9f, 0.5f, 0.8f, 0.1f, 0.2f, 0.7f}, {1, 1, 0, 0, 0.5f, 0.75f}};
  expect_decisions(run(*cpu, "bce", probabilities.batch()), 3, 3, 2, "bce");
  const Column logits{{2, 0, 1, -1, -2, 0.25f}, probabilities.t};
  for (const char* loss : {"bce_with_logits", "focal", "asymmetric"})
    expect_decisions(run(*cpu, loss, logits.batch()), 3, 3, 2, loss);
  const Column scores{{2, 0, 1, -1, 0.25f, -0.25f}, {1, 1, -1, -1, -1, 1}};
  for (const char* loss : {"hinge", "squared_hinge", "soft_margin", "perceptron"})
    expect_decisions(run(*cpu, loss, scores.batch()), 3, 3, 1, loss);
}

TEST(Decisions, WhatDoesNotCountIsNotCounted) {
  const auto cpu = make_cpu_backend({1, {}});
  const Column column{{2, 2, 2, -2, 2, 2}, {1, 1, kNaN, 1, 0, 1}};
  const std::vector<std::uint8_t> mask{1, 0, 1, 1, 1, 1};
  const Floats weight{1, 1, 1, 0, 1, -1};
  LossBatch b = column.batch();
  b.mask = {mask.data(), 6};
  b.weight = {weight.data(), 6};
  b.bad_labels = BadLabels::ignore;
  const LossReport report = run(*cpu, "bce_with_logits", b);
  EXPECT_EQ(report.count, 3);
  expect_decisions(report, 2, 2, 1, "masked, NaN, of a bad weight");
}

TEST(Decisions, AreThoseOfTheReferenceOnEveryTarget) {
  const auto backends = testing::cpu_backends();
  const std::int64_t n = 10007;
  for (const char* loss : kBinary) {
    const bool sign = loss[0] == 'h' || loss[0] == 's' || loss[0] == 'p', probability = std::string_view(loss) == "bce";
    Column column{testing::normal(n, 1), testing::normal(n, 2)};
    for (float& y : column.y) y = probability ? std::abs(y) / (1 + std::abs(y)) : y;
    for (float& t : column.t) t = t > 0.5f ? 1 : sign ? -1 : 0;
    for (const DType type : {DType::f32, DType::bf16, DType::f16}) {
      const testing::Stored y(column.y, type), t(column.t, type);
      reference::LossInput in;
      in.rows = n;
      in.cols = 1;
      for (const float x : y.floats()) in.prediction.push_back(static_cast<double>(x));
      for (const float x : t.floats()) in.target.push_back(static_cast<double>(x));
      const reference::LossOutput expected = reference::loss(loss, {}, in);
      EXPECT_EQ(expected.chosen - expected.hits + expected.positives - expected.hits,
                static_cast<double>(n) - expected.accuracy_correct);
      LossBatch b = column.batch();
      b.prediction = {y.bytes.data(), type, n, 1, 1};
      b.target = {t.bytes.data(), type, n, 1, 1};
      for (const auto& backend : backends) {
        const LossReport got = run(*backend, loss, b);
        const std::string what = std::string(loss) + " on " + backend->description();
        EXPECT_EQ(static_cast<double>(got.positives), expected.positives) << what;
        EXPECT_EQ(static_cast<double>(got.chosen), expected.chosen) << what;
        EXPECT_EQ(static_cast<double>(got.hits), expected.hits) << what;
        EXPECT_EQ(static_cast<double>(got.correct), expected.accuracy_correct) << what;
      }
    }
  }
}

TEST(Decisions, AreMeasuredWhereTheyAreAskedFor) {
  const auto cpu = make_cpu_backend({1, {}});
  const Column column{{2, 2, -2}, {1, 0, 1}};
  LossBatch b = column.batch();
  b.metrics = {};
  const LossReport none = run(*cpu, "bce_with_logits", b);
  EXPECT_EQ(none.positives + none.chosen + none.hits + none.correct, 0);
  b.metrics.accuracy = true;
  EXPECT_EQ(run(*cpu, "bce_with_logits", b).hits, 1);
  b.metrics.decisions = true;
  EXPECT_EQ(message_of([&] { run(*cpu, "mse", b); }),
            "bad_argument: metrics.accuracy is asked of mse, which has no classes");
  b.metrics.accuracy = false;
  EXPECT_EQ(message_of([&] { run(*cpu, "mse", b); }),
            "bad_argument: metrics.decisions is asked of mse, which has no answer of yes or no");
  EXPECT_EQ(message_of([&] { run(*cpu, "softmax_cross_entropy", b); }),
            "bad_argument: metrics.decisions is asked of softmax_cross_entropy, which has no answer of yes or no");
}

TEST(Decisions, ScoresAreThoseOfBothClasses) {
  LossReport r;
  r.count = 10;
  r.positives = 4;
  r.chosen = 3;
  r.hits = 2;
  r.correct = 7;
  const metric::ConfusionScores scores = metric::binary_scores(r);
  EXPECT_DOUBLE_EQ(scores.accuracy, 0.7);
  const metric::ClassScores &no = scores.classes[0], &yes = scores.classes[1];
  EXPECT_EQ(no.right, 5);
  EXPECT_DOUBLE_EQ(no.precision, 5.0 / 7);
  EXPECT_DOUBLE_EQ(no.recall, 5.0 / 6);
  EXPECT_DOUBLE_EQ(yes.precision, 2.0 / 3);
  EXPECT_DOUBLE_EQ(yes.recall, 0.5);
  EXPECT_DOUBLE_EQ(yes.f1, 4.0 / 7);
  EXPECT_DOUBLE_EQ(metric::Precision{}.value(r), yes.precision);
  EXPECT_DOUBLE_EQ(metric::Recall{}.value(r), yes.recall);
  EXPECT_DOUBLE_EQ(metric::F1{}.value(r), yes.f1);
  r = {};
  r.count = 2;
  EXPECT_EQ(metric::Precision{}.value(r), 0);
  EXPECT_EQ(metric::F1{}.value(r), 0);
  EXPECT_TRUE(std::isnan(metric::Recall{}.value({})));
}

}  // namespace
}  // namespace fuselage
