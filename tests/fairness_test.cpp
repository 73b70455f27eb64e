// Penalties on groups on the CPU: numbers by hand, and the contract.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "tests/support/fairness.h"
#include "tests/support/files.h"

namespace fuselage {
namespace {

using test::expect_error;
using test::Fairness;
using test::Floats;
using test::Groups;
using test::Problem;

// ---- by hand --------------------------------------------------------------------------------------------------------

TEST_F(Fairness, DemographicParityByHand) {
  // Means 0.25 and 0.75, 0.5 of all: 1/2 (1/16) + 1/2 (1/16); derivatives 2 (m_g - m)/4.
  const Floats y{0, 0.5f, 0.5f, 1};
  GroupBatch batch = batch_of(y, {0, 0, 2, 2}, 4);
  const Groups group{0, 0, 2, 2};
  batch.group = {group.data(), 4};
  const Result squared = run("demographic_parity:score=probability", batch);
  EXPECT_EQ(squared.value(), 0.0625);
  EXPECT_EQ(squared.gradient, (Floats{-0.125f, -0.125f, 0.125f, 0.125f}));
  EXPECT_EQ(squared.report.count, 4);
  EXPECT_EQ(squared.report.weight_sum, 4);
  const Result range = run("demographic_parity:score=probability,form=range,strength=3", batch);
  EXPECT_EQ(range.value(), 1.5);
  EXPECT_EQ(range.gradient, (Floats{-1.5f, -1.5f, 1.5f, 1.5f}));
  const Floats weight{3, 1, 1, 1};  // mean of the first group 1/8
  batch.weight = {weight.data(), 4};
  const Result weighted = run("demographic_parity:score=probability,form=range", batch);
  EXPECT_EQ(weighted.value(), 0.625);
  EXPECT_EQ(weighted.gradient, (Floats{-0.75f, -0.25f, 0.5f, 0.5f}));
}

TEST_F(Fairness, OpportunityAndOddsByHand) {
  const Floats y{0, 1, 0.5f, 1, 0.25f, 0.5f};
  const Groups group{0, 0, 0, 1, 1, 1};
  const std::vector<std::uint8_t> label{1, 1, 0, 1, 0, 0};
  GroupBatch batch = batch_of(y, group, 2);
  batch.target = {label.data(), 6};
  // Positives: 1/2 and 1; negatives: 1/2 and 3/8.
  const Result opportunity = run("equal_opportunity:score=probability,form=range", batch);
  EXPECT_EQ(opportunity.value(), 0.5);
  EXPECT_EQ(opportunity.gradient, (Floats{-0.5f, -0.5f, 0, 1, 0, 0}));
  EXPECT_EQ(opportunity.report.count, 3);
  const Result odds = run("equalized_odds:score=probability,form=range", batch);
  EXPECT_EQ(odds.value(), 0.625);
  EXPECT_EQ(odds.gradient, (Floats{-0.5f, -0.5f, 1, 1, -0.5f, -0.5f}));
  const Floats real{1, 0.75f, 0.5f, 1, 0, -1};  // positive above 1/2
  batch.target = {real.data(), 6};
  EXPECT_EQ(run("equalized_odds:score=probability,form=range", batch).gradient, odds.gradient);
}

TEST_F(Fairness, MeanDifferenceByHand) {
  const Floats y{1, 3, 7}, t{1, 1, 2};
  const Groups group{1, 1, 0};
  GroupBatch batch = batch_of(y, group, 2);
  const Result predictions = run("mean_difference:form=range", batch);
  EXPECT_EQ(predictions.value(), 5);
  EXPECT_EQ(predictions.gradient, (Floats{-0.5f, -0.5f, 1}));
  batch.target = {t.data(), 3};
  const Result residuals = run("mean_difference:form=range,of=residual", batch);
  EXPECT_EQ(residuals.value(), 4);
  EXPECT_EQ(residuals.gradient, predictions.gradient);
}

TEST_F(Fairness, BoundedLossByHand) {
  const Floats loss{1, 3, 1, 0.5f};
  const Groups group{0, 0, 1, 1};
  const GroupBatch batch = batch_of(loss, group, 3);
  const Result result = run("bounded_group_loss:bound=1,strength=2", batch);
  EXPECT_EQ(result.value(), 2);
  EXPECT_EQ(result.gradient, (Floats{1, 1, 0, 0}));
  const Result with_mean = run("bounded_group_loss:bound=2,mean=1", batch);  // at the bound: 0
  EXPECT_EQ(with_mean.value(), 1.375);
  EXPECT_EQ(with_mean.gradient, (Floats{0.25f, 0.25f, 0.25f, 0.25f}));
}

TEST_F(Fairness, GroupDroByHand) {
  const Floats loss{1, 3, 1, 0.5f};
  const Groups group{0, 0, 1, 1};
  GroupBatch batch = batch_of(loss, group, 3);
  const Result worst = run("group_dro:worst=true", batch);
  EXPECT_EQ(worst.value(), 2);
  EXPECT_EQ(worst.gradient, (Floats{0.5f, 0.5f, 0, 0}));
  std::vector<double> q{0.25, 0.25, 0.5};
  batch.q = q.data();
  const Result still = run("group_dro:step=0", batch);
  EXPECT_EQ(q, (std::vector<double>{0.25, 0.25, 0.5}));
  EXPECT_EQ(still.value(), 0.25 * 2 + 0.25 * 0.75);
  EXPECT_EQ(still.gradient, (Floats{0.125f, 0.125f, 0.125f, 0.125f}));
  run("group_dro:step=1", batch);
  const double a = std::exp(2.0), b = std::exp(0.75), sum = a + b + 2;
  EXPECT_NEAR(q[0], a / sum, 1e-15);
  EXPECT_NEAR(q[1], b / sum, 1e-15);
  EXPECT_NEAR(q[2], 2 / sum, 1e-15);
  q = {0.5, 0.25, 0.25};
  run("group_dro:step=1e6", batch);  // the limit; and exp does not overflow
  EXPECT_EQ(q, (std::vector<double>{1, 0, 0}));
}

// ---- contract -------------------------------------------------------------------------------------------------------

TEST_F(Fairness, NothingToCompareGivesZero) {
  const Floats y{1, 2, 3};
  const Groups one{1, 1, 1}, two{0, 1, 0};
  const std::vector<std::uint8_t> none{0, 0, 0};
  for (const char* text : {"demographic_parity", "demographic_parity:form=range", "mean_difference:form=range"}) {
    const Result alone = run(text, batch_of(y, one, 2));
    EXPECT_EQ(alone.value(), 0);
    EXPECT_EQ(alone.gradient, Floats(3));
    EXPECT_EQ(alone.report.count, 3);
    GroupBatch masked = batch_of(y, two, 2);
    masked.mask = {none.data(), 3};
    const Result result = run(text, masked);
    EXPECT_EQ(result.value(), 0);
    EXPECT_EQ(result.gradient, Floats(3));
    EXPECT_EQ(result.report.count, 0);
    EXPECT_FALSE(result.report.rejected);
    EXPECT_EQ(run(text, batch_of({}, {}, 2)).value(), 0);
  }
  std::vector<double> q{0.5, 0.5};
  GroupBatch masked = batch_of(y, two, 2);
  masked.mask = {none.data(), 3};
  masked.q = q.data();
  for (const char* text : {"group_dro", "group_dro:worst=true", "bounded_group_loss:bound=-1"}) {
    EXPECT_EQ(run(text, masked).value(), 0) << text;
    EXPECT_EQ(run(text, masked).gradient, Floats(3)) << text;
  }
  EXPECT_EQ(q, (std::vector<double>{0.5, 0.5}));
}

TEST_F(Fairness, BadGroupsAreCountedAndNamed) {
  const Floats y{0, 0.5f, 9, 1, 9};
  const Groups group{0, 0, 2, 1, -1};
  GroupBatch batch = batch_of(y, group, 2);
  const Result result = run("demographic_parity:score=probability,form=range", batch);
  EXPECT_EQ(result.value(), 0.75);
  EXPECT_EQ(result.gradient, (Floats{-0.5f, -0.5f, 0, 1, 0}));
  EXPECT_EQ(result.report.bad_labels, 2);
  EXPECT_EQ(result.report.first_bad_row, 2);
  EXPECT_EQ(result.report.first_bad_label, 2);
  EXPECT_TRUE(result.report.rejected);
  EXPECT_EQ(result.report.count, 3);
  batch.bad_labels = BadLabels::ignore;
  EXPECT_FALSE(run("demographic_parity:score=probability", batch).report.rejected);
  const Floats weight{1, -1, 1, __builtin_nanf(""), 1};
  batch.weight = {weight.data(), 5};
  const Result weighed = run("demographic_parity:score=probability", batch);
  EXPECT_EQ(weighed.report.bad_weights, 2);
  EXPECT_EQ(weighed.report.first_bad_weight_row, 1);
  EXPECT_EQ(weighed.report.first_bad_weight, -1);
  EXPECT_TRUE(weighed.report.rejected);
  std::vector<double> q{0.5, 0.5};
  batch.q = q.data();
  run("group_dro:step=1", batch);
  EXPECT_EQ(q, (std::vector<double>{0.5, 0.5}));  // nothing moves on what is rejected
}

TEST_F(Fairness, WeightsOfGroupsThatAreNone) {
  const Floats y{1, 2, 3}, weight{1, 1, -2};
  const Groups group{0, 1, 2};
  for (const double bad : {-0.25, __builtin_nan(""), __builtin_inf()}) {
    const std::vector<double> given{0.5, bad, 0.25, -1};
    std::vector<double> q = given;
    GroupBatch batch = batch_of(y, group, 4);
    batch.q = q.data();
    LossReport report = run("group_dro:step=1", batch).report;
    EXPECT_EQ(report.bad_weights, 2);
    EXPECT_EQ(report.first_bad_weight_row, 1) << "the group";
    EXPECT_TRUE(report.first_bad_weight == bad || bad != bad);
    EXPECT_TRUE(report.rejected);
    EXPECT_EQ(std::memcmp(q.data(), given.data(), sizeof(double) * 4), 0) << "nothing moves";
    batch.weight = {weight.data(), 3};
    report = run("group_dro:step=1", batch).report;
    EXPECT_EQ(report.bad_weights, 3);
    EXPECT_EQ(report.first_bad_weight_row, 2) << "rows come first";
    EXPECT_EQ(report.first_bad_weight, -2);
  }
}

TEST_F(Fairness, BadLabelsOfRows) {
  const Floats y{0, 1, 0, 1, 0, 1, 0, 1};
  const Groups group{0, 0, 1, 1};
  const std::vector<std::int64_t> label{1, 2, -1, 1};
  GroupBatch batch = batch_of(y, group, 2);
  batch.target = {label.data(), 4};
  const Result result = run("equal_opportunity:score=softmax", batch);
  EXPECT_EQ(result.report.bad_labels, 2);
  EXPECT_EQ(result.report.first_bad_row, 1);
  EXPECT_EQ(result.report.first_bad_label, 2);
  const Floats values{1, 1, 1, 1}, real{0, __builtin_nanf(""), 0, 0};
  GroupBatch of_values = batch_of(values, group, 2);
  of_values.target = {label.data(), 4};
  EXPECT_EQ(run("bounded_group_loss", of_values).report.bad_labels, 0);
  of_values.ignore_index = 2;
  EXPECT_EQ(run("bounded_group_loss", of_values).report.count, 3);
  of_values.classes = 2;
  EXPECT_EQ(run("bounded_group_loss", of_values).report.bad_labels, 1);
  of_values.ignore_index = {}, of_values.classes = 0, of_values.target = {real.data(), 4};
  const Result nan = run("bounded_group_loss", of_values);
  EXPECT_EQ(nan.report.bad_labels, 1);
  EXPECT_TRUE(std::isnan(nan.report.first_bad_label));
}

TEST_F(Fairness, ScaleUpstreamAndAccumulation) {
  const Floats y{0, 0.5f, 0.5f, 1};
  const Groups group{0, 0, 1, 1};
  const Floats upstream{0.5f};
  const std::vector<std::uint8_t> mask{1, 1, 1, 0};
  GroupBatch batch = batch_of(y, group, 2);
  batch.scale = 8;
  batch.upstream = {upstream.data(), 1};
  batch.mask = {mask.data(), 4};
  const char* text = "demographic_parity:score=probability,form=range";
  const Result plain = run(text, batch);
  EXPECT_EQ(plain.value(), 0.25);
  EXPECT_EQ(plain.gradient, (Floats{-2, -2, 4, 0}));
  Floats gradient{1, 2, 3, __builtin_nanf("")};
  batch.gradient = {gradient.data(), 4};
  batch.accumulate = true;
  LossReport report;
  cpu_->penalty(Penalties::parse(text, "penalty"), batch, &report);
  EXPECT_EQ(Floats(gradient.begin(), gradient.begin() + 3), (Floats{-1, 0, 7}));
  EXPECT_TRUE(std::isnan(gradient[3]));  // left alone, and the pass that wrote it has counted it
  EXPECT_EQ(report.nonfinite, 0);
  Floats same = y;
  batch.accumulate = false;
  batch.prediction = batch.gradient = {same.data(), 4};
  cpu_->penalty(Penalties::parse(text, "penalty"), batch, &report);
  EXPECT_EQ(same, plain.gradient);
}

TEST_F(Fairness, NotFiniteIsCounted) {
  const Floats y{0, __builtin_nanf(""), 0.5f, 1};
  const Groups group{0, 0, 1, 1};
  for (const char* text : {"demographic_parity:score=raw", "demographic_parity:score=raw,form=range"}) {
    const Result result = run(text, batch_of(y, group, 2));
    EXPECT_TRUE(std::isnan(result.value())) << text;
    EXPECT_EQ(result.report.nonfinite, 4) << text;
    EXPECT_TRUE(result.report.rejected) << text;
  }
  std::vector<double> q{0.5, 0.5};
  GroupBatch batch = batch_of(y, group, 2);
  batch.q = q.data();
  EXPECT_TRUE(std::isnan(run("group_dro:step=1", batch).value()));
  EXPECT_EQ(q, (std::vector<double>{0.5, 0.5}));
}

TEST_F(Fairness, ManyGroupsAndRows) {
  const Problem p(10000, 1, 1024, 3);
  const Result got = run("mean_difference", p.batch(false));
  std::vector<double> weight(1024), sum(1024);
  double all = 0, total = 0;
  for (std::size_t r = 0; r < p.y.size(); ++r) {
    if (!p.mask[r]) continue;
    const auto g = static_cast<std::size_t>(p.group[r]);
    weight[g] += p.weight[r], sum[g] += p.weight[r] * p.y[r];
    all += p.weight[r], total += p.weight[r] * p.y[r];
  }
  double value = 0;
  for (std::size_t g = 0; g < 1024; ++g)
    if (weight[g] > 0) value += weight[g] / all * std::pow(sum[g] / weight[g] - total / all, 2);
  EXPECT_NEAR(got.value(), value, 1e-9 * value);
}

TEST_F(Fairness, RefusesByName) {
  const Floats y(12);
  const Groups group(4);
  Floats other(12);
  const auto refuse = [&](Errc code, std::initializer_list<std::string_view> words, const char* text, auto&& change) {
    GroupBatch batch = batch_of(Floats(), group, 2);
    batch.prediction = {y.data(), 4, 1};
    batch.group = {group.data(), 4};
    change(batch);
    LossReport report;
    expect_error(code, words, [&] { cpu_->penalty(Penalties::parse(text, "penalty"), batch, &report); });
  };
  const char* parity = "demographic_parity";
  refuse(Errc::bad_argument, {"groups = 0"}, parity, [](GroupBatch& b) { b.groups = 0; });
  refuse(Errc::bad_argument, {"groups = 5000", "4096"}, parity, [](GroupBatch& b) { b.groups = 5000; });
  refuse(Errc::bad_argument, {"group is missing"}, parity, [](GroupBatch& b) { b.group = {}; });
  refuse(Errc::bad_dtype, {"prediction is fp64, expected fp32, bf16 or fp16"}, parity,
         [&](GroupBatch& b) { b.prediction.dtype = DType::f64; });
  refuse(Errc::bad_dtype, {"group", "fp32", "integer"}, parity, [&](GroupBatch& b) { b.group = {y.data(), 4}; });
  refuse(Errc::bad_shape, {"group", "[3, 1]", "[4, 1]"}, parity, [&](GroupBatch& b) { b.group = {group.data(), 3}; });
  refuse(Errc::bad_shape, {"[4, 3]", "one number"}, parity, [&](GroupBatch& b) { b.prediction = {y.data(), 4, 3}; });
  refuse(Errc::bad_argument, {"positive = 3", "3"}, "demographic_parity:score=softmax,positive=3", [&](GroupBatch& b) {
    b.prediction = {y.data(), 4, 3};
  });
  refuse(Errc::bad_argument, {"does not look at a target"}, parity, [&](GroupBatch& b) { b.target = {y.data(), 4}; });
  refuse(Errc::bad_argument, {"target is missing"}, "equalized_odds", [](GroupBatch&) {});
  refuse(Errc::bad_dtype, {"residuals"}, "mean_difference:of=residual", [&](GroupBatch& b) {
    b.target = {group.data(), 4};
  });
  refuse(Errc::bad_argument, {"q, the weights"}, "group_dro", [](GroupBatch&) {});
  refuse(Errc::bad_argument, {"classes"}, parity, [](GroupBatch& b) { b.classes = 3; });
  refuse(Errc::bad_argument, {"gradient overlaps group"}, parity, [&](GroupBatch& b) {
    b.gradient = {const_cast<float*>(reinterpret_cast<const float*>(group.data())), 4};
  });
  refuse(Errc::bad_argument, {"accumulated"}, parity, [&](GroupBatch& b) {
    b.prediction = b.gradient = {other.data(), 4};
    b.accumulate = true;
  });
  refuse(Errc::bad_argument, {"gradient overlaps upstream"}, parity, [&](GroupBatch& b) {
    b.upstream = {other.data() + 3, 1};
    b.gradient = {other.data(), 4};
  });
  double q[4] = {};
  refuse(Errc::bad_argument, {"gradient overlaps q"}, "group_dro", [&](GroupBatch& b) {
    b.q = q;
    b.gradient = {reinterpret_cast<float*>(q), 4};
  });
  refuse(Errc::bad_argument, {"overlaps the prediction in part"}, parity, [&](GroupBatch& b) {
    b.prediction = {other.data(), 4};
    b.gradient = {other.data() + 1, 4};
  });
  std::vector<double> memory(64);
  auto* const report = reinterpret_cast<LossReport*>(memory.data());
  auto* const sums = reinterpret_cast<GroupSums*>(memory.data());
  GroupBatch at = batch_of(y, group, 2);
  at.group = {group.data(), 4};
  at.prediction = {reinterpret_cast<const float*>(memory.data()), 4};
  const AnyPenalty any = Penalties::parse(parity, "penalty");
  expect_error(Errc::bad_argument, {"report overlaps the prediction"}, [&] { cpu_->penalty(any, at, report); });
  expect_error(Errc::bad_argument, {"sums overlaps the prediction"}, [&] { cpu_->group_sums({}, at, sums); });
  at.prediction = {y.data(), 4};
  expect_error(Errc::bad_argument, {"report overlaps the sums"}, [&] { cpu_->group_sums({}, at, sums, report); });
  at.weight = {reinterpret_cast<const float*>(memory.data()), 4};
  std::vector<GroupSums> own(2);
  expect_error(Errc::bad_argument, {"report overlaps the weight"},
               [&] { cpu_->group_sums({}, at, own.data(), report); });
  expect_error(Errc::bad_argument, {"report is missing"},
               [&] { cpu_->penalty(Penalties::make(parity, "penalty"), batch_of(y, group, 2), nullptr); });
  expect_error(Errc::unknown_name, {"demographic_parity"}, [] { Penalties::make("demografic_parity", "penalty"); });
  expect_error(Errc::bad_argument, {"score", "logits"},
               [] { Penalties::parse("equalized_odds:score=logits", "penalty"); });
}

}  // namespace
}  // namespace fuselage
