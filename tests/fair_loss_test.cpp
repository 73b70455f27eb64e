// What groups lose and how they are scored, and the losses that look at it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
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

// ---- measures -------------------------------------------------------------------------------------------------------

TEST_F(Fairness, MeasuresByHand) {
  const Floats y{0.75f, 0.25f, 1, 0.5f, 0.625f, 0}, weight{1, 2, 1, 1, 1, 0}, loss{1, 2, 3, 4, 0.5f, 9};
  const Groups group{0, 0, 0, 2, 2, 2};
  const std::vector<std::uint8_t> label{1, 1, 0, 1, 0, 1};
  GroupBatch batch = batch_of(y, group, 3);
  batch.target = {label.data(), 6};
  batch.weight = {weight.data(), 6};
  GroupMeasure measure{penalty::Score::probability, 1, 0.5, {loss.data(), 6}};
  std::vector<GroupSums> sums(3);
  LossReport report;
  cpu_->group_sums(measure, batch, sums.data(), &report);
  EXPECT_EQ(report.count, 5);
  EXPECT_EQ(report.weight_sum, 6);
  const GroupSums &a = sums[0], &none = sums[1], &b = sums[2];
  EXPECT_EQ(a.count, 3);
  EXPECT_EQ(a.weight, 4);
  EXPECT_EQ(a.score_sum, 2.25);
  EXPECT_EQ(a.loss_sum, 6);
  EXPECT_EQ(a.positives, 2);
  EXPECT_EQ(a.chosen, 2);
  EXPECT_EQ(a.hits, 1);
  EXPECT_EQ(a.right(), 1);
  EXPECT_EQ(none.count, 0);
  EXPECT_EQ(b.count, 2);
  EXPECT_EQ(b.chosen, 1);  // 1/2 is not above the threshold
  EXPECT_EQ(b.hits, 0);
  EXPECT_EQ(b.right(), 0);
  EXPECT_DOUBLE_EQ(parity_gap(sums), 2.0 / 3 - 0.5);
  EXPECT_EQ(opportunity_gap(sums), 0.5);
  EXPECT_EQ(odds_gap(sums), 0.5);
  EXPECT_EQ(mean_score_gap(sums), 0);
  EXPECT_EQ(worst_group(sums), 2);
  const Floats real{1, 1, 0.25f, 0.5f, 0, 1};
  batch.target = {real.data(), 6};
  cpu_->group_sums(measure, batch, sums.data());
  EXPECT_EQ(sums[0].target_sum, 3.25);
  EXPECT_EQ(sums[2].positives, 0);
  EXPECT_EQ(worst_group({}), -1);
  EXPECT_EQ(odds_gap({}), 0);
  measure.threshold = std::nan("");
  expect_error(Errc::bad_argument, {"threshold"}, [&] { cpu_->group_sums(measure, batch, sums.data()); });
  expect_error(Errc::bad_argument, {"sums"}, [&] { cpu_->group_sums({}, batch, nullptr); });
}

TEST_F(Fairness, SumsOfClassesFromTheLossesOfRows) {
  const Floats log_p{-1, -2, -3, -1, -2, -3, -4, -2, -3, -1, -5, -3, -1, -2, -3}, weight{1, 2, 3, 1, 1};
  const std::vector<std::int64_t> labels{0, 1, 0, 1, 7};
  const std::vector<std::uint8_t> mask{1, 1, 1, 0, 1};
  Floats values(5);
  LossBatch pass;
  pass.prediction = {log_p.data(), 5, 3};
  pass.target = {labels.data(), 5};
  pass.weight = {weight.data(), 5};
  pass.mask = {mask.data(), 5};
  pass.bad_labels = BadLabels::ignore;
  pass.values = {values.data(), 5};
  LossReport report;
  cpu_->loss(loss::Nll{}, pass, &report);
  GroupMeasure measure{.score = penalty::Score::raw, .values = {values.data(), 5}};
  GroupBatch by_class;
  by_class.prediction = measure.values;
  by_class.group = pass.target;
  by_class.groups = 3;
  by_class.weight = pass.weight;
  by_class.mask = pass.mask;
  std::vector<GroupSums> sums(3);
  cpu_->group_sums(measure, by_class, sums.data());
  EXPECT_EQ(sums[0].count, 2);
  EXPECT_EQ(sums[0].weight, 4);
  EXPECT_EQ(sums[0].loss_sum, 1 + 3 * 4);
  EXPECT_EQ(sums[1].count, 1) << "the other row is masked, and the last label is none";
  EXPECT_EQ(sums[1].loss_sum, 2 * 2);
  EXPECT_EQ(sums[2].count, 0);
  EXPECT_EQ(sums[0].loss_sum + sums[1].loss_sum, report.value_sum);
  by_class.groups = kMostGroups + 1;
  expect_error(Errc::bad_argument, {"groups = 4097", "[1, 4096]"},
               [&] { cpu_->group_sums(measure, by_class, sums.data()); });
}

// ---- objectives over the losses of groups ---------------------------------------------------------------------------

struct FairProblem {
  std::int64_t rows = 40;
  Floats y, weight;
  Groups group;
  std::vector<std::int32_t> label;

  FairProblem() {
    std::mt19937 random(11);
    std::normal_distribution<float> normal;
    for (std::int64_t r = 0; r < rows; ++r) {
      for (int c = 0; c < 3; ++c) y.push_back(normal(random));
      weight.push_back(static_cast<float>(1 + random() % 4) / 2);
      group.push_back(static_cast<std::int32_t>(random() % 4));
      label.push_back(r % 13 == 4 ? -100 : static_cast<std::int32_t>(random() % 3));
    }
  }
  LossBatch batch() const {
    LossBatch b;
    b.prediction = {y.data(), rows, 3};
    b.target = {label.data(), rows};
    b.weight = {weight.data(), rows};
    return b;
  }
  GroupBatch groups(double* q) const {
    GroupBatch b;
    b.group = {group.data(), rows};
    b.groups = 4;
    b.q = q;
    return b;
  }
};

TEST_F(Fairness, FairLossIsTheObjectiveOfTheLossesOfGroups) {
  FairProblem p;
  const AnyLoss loss = Losses::parse("softmax_cross_entropy:ignore_index=-100", "loss");
  for (const char* text : {"bounded_group_loss:bound=0.9,mean=1", "group_dro:step=2", "group_dro:worst=true"}) {
    SCOPED_TRACE(text);
    const AnyPenalty penalty = Penalties::parse(text, "penalty");
    // Mean losses of the groups from a pass for each of them.
    double means[4], q[4], expected = 0, norm = 0, all = 0, total = 0;
    for (int g = 0; g < 4; ++g) {
      std::vector<std::uint8_t> mask;
      for (const auto of : p.group) mask.push_back(of == g);
      LossBatch batch = p.batch();
      batch.mask = {mask.data(), p.rows};
      LossReport report;
      cpu_->loss(loss, batch, &report);
      means[g] = report.value;
      all += report.weight_sum, total += report.value_sum;
      norm += q[g] = 0.25 * std::exp(2 * means[g]);
    }
    for (int g = 0; g < 4; ++g) {
      if (penalty.index() == 4) expected += std::max(0.0, means[g] - 0.9);
      if (penalty.index() == 5) expected += q[g] / norm * means[g];
    }
    if (penalty.index() == 4) expected += total / all;
    if (text == std::string_view("group_dro:worst=true")) expected = *std::max_element(means, means + 4);

    FairScratch scratch;
    const auto evaluate = [&](View gradient, LossReport& report) {
      double weights[4] = {0.25, 0.25, 0.25, 0.25};
      LossBatch batch = p.batch();
      batch.gradient = gradient;
      fair_loss(*cpu_, loss, batch, penalty, p.groups(weights), scratch, &report);
      const bool moves = text == std::string_view("group_dro:step=2");
      for (int g = 0; g < 4; ++g) EXPECT_NEAR(weights[g], moves ? q[g] / norm : 0.25, 1e-6);
      return report.value;
    };
    LossReport report;
    Floats gradient(p.y.size());
    EXPECT_NEAR(evaluate({gradient.data(), p.rows, 3}, report), expected, 1e-6);
    EXPECT_EQ(report.bad_labels, 0);
    EXPECT_EQ(report.count, 37);
    // q is a constant of the step, so only the others are the derivative of their value as it stands.
    if (text == std::string_view("group_dro:step=2")) continue;
    for (std::size_t i = 0; i < p.y.size(); i += 7) {
      const float before = p.y[i], step = 0x1p-6f;
      p.y[i] = before + step;
      const double above = evaluate({}, report);
      p.y[i] = before - step;
      const double below = evaluate({}, report);
      p.y[i] = before;
      EXPECT_NEAR(gradient[i], (above - below) / (2 * step), 1e-4) << i;
    }
  }
}

TEST_F(Fairness, FairLossInPlaceScaledAndBad) {
  FairProblem p;
  const AnyLoss loss = Losses::parse("softmax_cross_entropy:ignore_index=-100", "loss");
  const AnyPenalty penalty = Penalties::parse("group_dro:worst=true", "penalty");
  const Floats upstream{0.5f};
  FairScratch scratch;
  LossReport report;
  Floats gradient(p.y.size()), scaled(p.y.size());
  LossBatch batch = p.batch();
  batch.gradient = {gradient.data(), p.rows, 3};
  fair_loss(*cpu_, loss, batch, penalty, p.groups(nullptr), scratch, &report);
  EXPECT_FALSE(report.rejected);
  batch.gradient = {scaled.data(), p.rows, 3};
  batch.scale = 8;
  batch.upstream = {upstream.data(), 1};
  fair_loss(*cpu_, loss, batch, penalty, p.groups(nullptr), scratch, &report);
  for (std::size_t i = 0; i < scaled.size(); ++i) EXPECT_EQ(scaled[i], 4 * gradient[i]);
  batch = p.batch();
  Floats same = p.y;
  batch.prediction = {same.data(), p.rows, 3};
  batch.gradient = {same.data(), p.rows, 3};
  batch.metrics.accuracy = true;
  fair_loss(*cpu_, loss, batch, penalty, p.groups(nullptr), scratch, &report);
  EXPECT_EQ(same, gradient);
  EXPECT_GT(report.correct, 0);
  p.label[5] = 3;
  p.group[7] = 9;
  fair_loss(*cpu_, loss, p.batch(), penalty, p.groups(nullptr), scratch, &report);
  EXPECT_EQ(report.bad_labels, 2);
  EXPECT_EQ(report.first_bad_row, 5);
  EXPECT_TRUE(report.rejected);
}

TEST_F(Fairness, FairLossRefusesByName) {
  const FairProblem p;
  FairScratch scratch;
  LossReport report;
  const auto refuse = [&](Errc code, std::initializer_list<std::string_view> words, const char* loss,
                          const char* penalty, auto&& change) {
    LossBatch batch = p.batch();
    change(batch);
    expect_error(code, words, [&] {
      fair_loss(*cpu_, Losses::parse(loss, "loss"), batch, Penalties::parse(penalty, "penalty"), p.groups(nullptr),
                scratch, &report);
    });
  };
  refuse(Errc::bad_argument, {"demographic_parity", "accumulate"}, "softmax_cross_entropy", "demographic_parity",
         [](LossBatch&) {});
  refuse(Errc::bad_shape, {"3 columns", "mse"}, "mse", "group_dro:worst=true",
         [&](LossBatch& b) { b.target = b.prediction; });
  refuse(Errc::bad_argument, {"q, the weights"}, "softmax_cross_entropy", "group_dro", [](LossBatch&) {});
  refuse(Errc::bad_argument, {"integer labels"}, "softmax_cross_entropy", "group_dro:worst=true", [](LossBatch& b) {
    b.target = b.prediction;
    b.bad_labels = BadLabels::ignore;
  });
}

TEST_F(Fairness, FairLossRefusesBeforeItMovesTheGroups) {
  FairProblem p;
  FairScratch scratch;
  LossReport report;
  Floats gradient(p.y.size(), 7);
  double q[4] = {0.25, 0.25, 0.25, 0.25};
  const auto refuse = [&](std::initializer_list<std::string_view> words, Errc code, auto&& change) {
    LossBatch batch = p.batch();
    batch.gradient = {gradient.data(), p.rows, 3};
    const Groups group = p.group;
    change(batch);
    expect_error(code, words, [&] {
      fair_loss(*cpu_, Losses::parse("softmax_cross_entropy:ignore_index=-100", "loss"), batch,
                Penalties::parse("group_dro:step=1", "penalty"), p.groups(q), scratch, &report);
    });
    for (const double x : q) EXPECT_EQ(x, 0.25);
    EXPECT_EQ(p.group, group);
  };
  refuse({"gradient has the shape"}, Errc::bad_shape, [](LossBatch& b) { b.gradient.rows -= 1; });
  refuse({"second_gradient is given"}, Errc::bad_argument, [](LossBatch& b) { b.second_gradient = b.gradient; });
  const std::vector<std::int32_t> lengths{20, 7};
  refuse({"takes no lengths"}, Errc::bad_argument, [&](LossBatch& b) { b.lengths = {lengths.data(), 2}; });
  refuse({"divisor is 3, but fair_loss divides"}, Errc::bad_argument, [](LossBatch& b) { b.divisor = 3; });
  refuse({"prediction has a negative size"}, Errc::bad_shape, [](LossBatch& b) { b.prediction.rows = -4; });
  Groups wide(p.y.size());
  std::copy(p.group.begin(), p.group.end(), wide.begin());
  p.group = wide;
  refuse({"gradient overlaps the group"}, Errc::bad_argument,
         [&](LossBatch& b) { b.gradient = View(p.group.data(), DType::f32, p.rows, 3, 3); });
}

TEST_F(Fairness, FairLossMovesNoGroupWhereAnyPassRejects) {
  FairScratch scratch;
  const auto fair = [&](const char* loss, LossBatch batch, const Groups& group) {
    double q[2] = {0.25, 0.75};
    Floats gradient(static_cast<std::size_t>(batch.prediction.size()));
    batch.gradient = {gradient.data(), batch.prediction.rows, batch.prediction.cols};
    GroupBatch groups;
    groups.group = {group.data(), static_cast<std::int64_t>(group.size())};
    groups.groups = 2;
    groups.q = q;
    LossReport report;
    fair_loss(*cpu_, Losses::parse(loss, "loss"), batch, penalty::GroupDro{.step = 1}, groups, scratch, &report);
    EXPECT_TRUE(report.rejected) << loss;
    EXPECT_EQ(q[0], 0.25) << loss;
    EXPECT_EQ(q[1], 0.75) << loss;
    return report;
  };
  const Groups group{0, 1, 1};
  // A target outside the loss's domain is a bad label of the groups' pass as well: its row is in no group.
  const Floats x{1, 2, 3};
  for (const auto& [loss, bad] : {std::pair{"bce_with_logits", 1.5f}, {"hinge", 0.5f}, {"tweedie", -1.0f}}) {
    const Floats target{1, bad, 1};
    LossBatch b;
    b.prediction = {x.data(), 3};
    b.target = {target.data(), 3};
    const LossReport report = fair(loss, b, group);
    EXPECT_EQ(report.bad_labels, 1) << loss;
    EXPECT_EQ(report.first_bad_row, 1) << loss;
    EXPECT_EQ(report.first_bad_label, bad) << loss;
    EXPECT_EQ(report.count, 2) << loss;
    EXPECT_EQ(report.weight_sum, 2) << loss;
  }
  // What the pass over the groups cannot see: a class weight, and a number of a row of dense targets.
  const Floats logits{1, 2, 3, 4, 5, 6}, dense{0, 1, 1, __builtin_nanf(""), 1, 0}, class_weight{1, -3};
  const std::vector<std::int32_t> label{0, 0, 1};
  LossBatch b;
  b.prediction = {logits.data(), 3, 2};
  b.target = {label.data(), 3};
  b.class_weight = {class_weight.data(), 1, 2};
  LossReport report = fair("softmax_cross_entropy", b, group);
  EXPECT_EQ(report.bad_weights, 1);
  EXPECT_EQ(report.first_bad_weight_row, 2);
  EXPECT_EQ(report.first_bad_weight, -3);
  b.class_weight = {};
  b.target = {dense.data(), 3, 2};
  report = fair("softmax_cross_entropy", b, group);
  EXPECT_EQ(report.bad_labels, 1);
  EXPECT_EQ(report.first_bad_row, 1);
}

TEST_F(Fairness, FairLossGivesTheGradientOfASecondInputAlone) {
  const Floats mean{1, 2, 3, 4}, variance{1, 2, 1, 2}, target{0, 0, 1, 1};
  const Groups group{0, 0, 1, 1};
  Floats both(4, 7), alone(4, 7), by_mean(4, 7);
  FairScratch scratch;
  LossReport report;
  for (Floats* g : {&both, &alone}) {
    LossBatch b;
    b.prediction = {mean.data(), 4};
    b.second = {variance.data(), 4};
    b.target = {target.data(), 4};
    if (g == &both) b.gradient = {by_mean.data(), 4};
    b.second_gradient = {g->data(), 4};
    GroupBatch groups;
    groups.group = {group.data(), 4};
    groups.groups = 2;
    fair_loss(*cpu_, loss::GaussianNll{}, b, penalty::GroupDro{.worst = true}, groups, scratch, &report);
  }
  EXPECT_EQ(alone, both);
  EXPECT_NE(alone[2], 7);
}

TEST(Penalties, AreJudgedByTheReference) {
  const std::vector<std::string> names(Penalties::names.begin(), Penalties::names.end());
  EXPECT_EQ(names, reference::penalty_names());
}

}  // namespace
}  // namespace fuselage
