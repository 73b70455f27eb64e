// Penalties on groups against the reference, and against differences of their values.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "tests/support/fairness.h"

namespace fuselage {
namespace {

using test::Fairness;
using test::Floats;
using test::Problem;

void expect_near(const LossReport& report, const Floats& gradient, const reference::GroupOutput& expected) {
  EXPECT_NEAR(report.value, expected.value, std::abs(expected.value) * 1e-6 + 1e-9);
  ASSERT_EQ(gradient.size(), expected.gradient.size());
  double most = 0;
  for (const double g : expected.gradient) most = std::max(most, std::abs(g));
  for (std::size_t i = 0; i < gradient.size(); ++i)
    EXPECT_NEAR(gradient[i], expected.gradient[i], std::abs(expected.gradient[i]) * 2e-6 + most * 2e-7) << i;
}

TEST_F(Fairness, DifferencesAgreeWithTheReference) {
  for (const char* name : {"demographic_parity", "equal_opportunity", "equalized_odds"})
    for (const char* score : {"logit", "probability", "raw", "softmax"})
      for (const char* form : {"squared", "range"})
        for (const auto& [rows, cols, groups] : {std::tuple{20, 3, 4}, {9, 40, 2}, {40, 1, 7}}) {
          const bool softmax = std::string(score) == "softmax";
          if (softmax != (cols > 1)) continue;
          const Problem p(rows, cols, groups, 5);
          const std::string text = std::string(name) + ":score=" + score + ",form=" + form + ",strength=2";
          SCOPED_TRACE(text);
          reference::GroupInput in = p.input();
          in.score = score, in.form = form;
          const Result got = run(text, p.batch(std::string(name) != "demographic_parity"));
          expect_near(got.report, got.gradient, reference::penalty(name, {{"strength", 2}}, in));
        }
}

TEST_F(Fairness, OthersAgreeWithTheReference) {
  const Problem p(50, 1, 6, 8);
  for (const bool residual : {false, true})
    for (const char* form : {"squared", "range"}) {
      reference::GroupInput in = p.input();
      in.form = form, in.residual = residual;
      GroupBatch batch = p.batch(false);
      if (residual) batch.target = {p.real.data(), p.rows};
      const std::string text = std::string("mean_difference:form=") + form + (residual ? ",of=residual" : "");
      const Result got = run(text, batch);
      expect_near(got.report, got.gradient, reference::penalty("mean_difference", {}, in));
    }
  const Result bounded = run("bounded_group_loss:bound=0.1,strength=3,mean=0.5", p.batch(false));
  expect_near(bounded.report, bounded.gradient,
              reference::penalty("bounded_group_loss", {{"bound", 0.1}, {"strength", 3}, {"mean", 0.5}}, p.input()));
  reference::GroupInput in = p.input();
  in.q = {0.1, 0.2, 0.3, 0.1, 0.2, 0.1};
  std::vector<double> q = in.q;
  GroupBatch batch = p.batch(false);
  batch.q = q.data();
  const Result dro = run("group_dro:step=0.3,strength=2", batch);
  const auto expected = reference::penalty("group_dro", {{"step", 0.3}, {"strength", 2}}, in);
  expect_near(dro.report, dro.gradient, expected);
  for (std::size_t g = 0; g < q.size(); ++g) EXPECT_NEAR(q[g], expected.q[g], 1e-14);
  const Result worst = run("group_dro:worst=true", p.batch(false));
  expect_near(worst.report, worst.gradient, reference::penalty("group_dro", {{"worst", 1}}, p.input()));
}

TEST_F(Fairness, GradientIsTheDifferenceOfValues) {
  Problem p(12, 3, 3, 4);
  for (const char* text : {"demographic_parity:score=softmax", "equalized_odds:score=softmax,form=range"}) {
    const bool labels = std::string_view(text).starts_with("equal");
    const Result got = run(text, p.batch(labels));
    for (std::size_t i = 0; i < p.y.size(); ++i) {
      const float before = p.y[i], step = 0x1p-7f;
      p.y[i] = before + step;
      const double above = run(text, p.batch(labels)).value();
      p.y[i] = before - step;
      const double below = run(text, p.batch(labels)).value();
      p.y[i] = before;
      EXPECT_NEAR(got.gradient[i], (above - below) / (2 * step), 2e-5) << text << " " << i;
    }
  }
}

}  // namespace
}  // namespace fuselage
