// Sums of losses: their numbers, their gradients, what they refuse; and the penalties on parameters.
#include "fuselage/combination.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/support/files.h"

namespace fuselage {
namespace {

using test::expect_error;

struct Output {
  std::vector<float> y, t, g;
  explicit Output(std::vector<float> prediction, std::vector<float> target)
      : y(std::move(prediction)), t(std::move(target)), g(y.size(), NAN) {}
  LossBatch batch() {
    LossBatch b;
    const auto n = static_cast<std::int64_t>(y.size());
    b.prediction = ConstView(y.data(), n);
    b.target = ConstView(t.data(), n);
    b.gradient = View(g.data(), n);
    return b;
  }
};

class Combination : public ::testing::Test {
 protected:
  std::unique_ptr<Backend> backend_ = make_cpu_backend({1, {}});
  Output a_{{1, 3}, {0, 1}}, b_{{2, -1, 0.5f}, {1, 1, 1}};  // mse 5/2; mae 7/6, mse 21/12
};

TEST_F(Combination, IsTheWeightedSumOfItsTerms) {
  const std::vector<LossTerm> terms{{loss::Mse{}, a_.batch(), 2}, {loss::Mae{}, b_.batch(), 0.5}};
  CombinedLoss sum(*backend_, 2);
  LossReport total;
  sum.run(terms, &total, 8);
  EXPECT_FLOAT_EQ(static_cast<float>(total.value), 2 * 2.5f + 0.5f * (3.5f / 3));
  EXPECT_EQ(total.count, 5);
  EXPECT_FALSE(total.rejected);
  EXPECT_EQ(sum.reports()[0].value, 2.5);
  EXPECT_EQ(a_.g, (std::vector<float>{16, 32}));                       // 8 * 2 * (y - t)
  EXPECT_EQ(b_.g, (std::vector<float>{4.f / 3, -4.f / 3, -4.f / 3}));  // 8 * 0.5 / 3
}

TEST_F(Combination, TermsOnOneOutputAddTheirGradients) {
  const std::vector<LossTerm> terms{{loss::Mse{}, b_.batch(), 1}, {loss::Mae{}, b_.batch(), 2}};
  CombinedLoss sum(*backend_, 2);
  LossReport total;
  sum.run(terms, &total);
  const std::vector<float> d{1, -2, -0.5f};
  for (std::size_t i = 0; i < d.size(); ++i) EXPECT_FLOAT_EQ(b_.g[i], 2 * d[i] / 3 + 2 * (d[i] > 0 ? 1.0f : -1.0f) / 3);
  EXPECT_FLOAT_EQ(static_cast<float>(total.value), 5.25f / 3 + 2 * 3.5f / 3);
}

TEST_F(Combination, LearnedWeightsFollowTheLikelihood) {
  const auto value = [&](std::vector<float> s, std::vector<float>* gradient) {
    const std::vector<LossTerm> terms{{loss::Mse{}, a_.batch(), 0.5}, {loss::Mae{}, b_.batch(), 1}};
    CombinedLoss sum(*backend_, 2);
    LossReport total;
    std::vector<float> g(2);
    sum.run(terms, &total, 1, s.data(), g.data());
    if (gradient) *gradient = g;
    return total.value;
  };
  std::vector<float> g;
  const double by_hand = 0.5 * std::exp(-0.5) * 2.5 + 0.25 + std::exp(1.0) * (3.5 / 3) - 0.5;
  EXPECT_NEAR(value({0.5f, -1}, &g), by_hand, 1e-6);
  const float h = 1.0f / 1024;
  EXPECT_NEAR(g[0], (value({0.5f + h, -1}, nullptr) - value({0.5f - h, -1}, nullptr)) / (2 * static_cast<double>(h)),
              1e-5);
  EXPECT_NEAR(g[1], (value({0.5f, -1 + h}, nullptr) - value({0.5f, -1 - h}, nullptr)) / (2 * static_cast<double>(h)),
              1e-5);
  value({0.5f, -1}, &g);
  EXPECT_FLOAT_EQ(a_.g[0], static_cast<float>(0.5 * std::exp(-0.5)));  // times (y - t) = 1
}

TEST_F(Combination, OneBadTermRejectsTheSum) {
  a_.t[1] = NAN;
  const std::vector<LossTerm> terms{{loss::Mse{}, b_.batch(), 1}, {loss::Mse{}, a_.batch(), 1}};
  CombinedLoss sum(*backend_, 2);
  LossReport total;
  sum.run(terms, &total);
  EXPECT_TRUE(total.rejected);
  EXPECT_EQ(total.bad_labels, 1);
  EXPECT_EQ(total.first_bad_row, 1);
}

TEST_F(Combination, RefusesWhatMakesNoSense) {
  LossReport total;
  CombinedLoss sum(*backend_, 2);
  const LossTerm a{loss::Mse{}, a_.batch(), 1}, b{loss::Mse{}, b_.batch(), 1};
  expect_error(Errc::bad_argument, {"0 losses"}, [&] { CombinedLoss(*backend_, 0); });
  expect_error(Errc::bad_argument, {"expected 1 to"}, [&] { CombinedLoss(*backend_, std::size_t{1} << 60); });
  expect_error(Errc::bad_shape, {"1 terms"}, [&] { sum.run(std::vector{a}, &total); });
  LossTerm bad = b;
  bad.weight = -1;
  expect_error(Errc::bad_argument, {"term 1 (mse): the weight is -1"}, [&] { sum.run(std::vector{a, bad}, &total); });
  bad = b;
  bad.batch.reduction = Reduction::none;
  expect_error(Errc::bad_argument, {"reduction none"}, [&] { sum.run(std::vector{a, bad}, &total); });
  float s[2] = {}, one = 1;
  expect_error(Errc::bad_argument, {"together or not at all"}, [&] { sum.run(std::vector{a, b}, &total, 1, s); });
  const std::vector<LossTerm> both{a, b};
  expect_error(Errc::bad_argument, {"the log variances overlap the log variances' gradient"},
               [&] { sum.run(both, &total, 1, s, s); });
  float* const gradient = a_.g.data();
  expect_error(Errc::bad_argument, {"the log variances overlap the gradient"},
               [&] { sum.run(both, &total, 1, gradient, s); });
  expect_error(Errc::bad_argument, {"the log variances' gradient overlaps the prediction"},
               [&] { sum.run(both, &total, 1, s, a_.y.data()); });
  expect_error(Errc::bad_argument, {"report is missing"}, [&] { sum.run(both, nullptr); });
  bad = b;
  bad.batch.upstream = ConstView(&one, 1);
  expect_error(Errc::bad_argument, {"upstream"}, [&] { sum.run(std::vector{a, bad}, &total); });
  LossTerm in_place = b, after = b;
  in_place.batch.gradient = after.batch.gradient = View(b_.y.data(), 3);
  expect_error(Errc::bad_argument, {"overwrites"}, [&] { sum.run(std::vector{in_place, after}, &total); });
}

TEST_F(Combination, RefusesWhatAnEarlierTermHasWritten) {
  LossReport total;
  CombinedLoss sum(*backend_, 2);
  std::vector<float> memory(8, 7);
  const auto refuse = [&](std::initializer_list<std::string_view> words, LossTerm a, LossTerm b) {
    expect_error(Errc::bad_argument, words, [&] { sum.run(std::vector{a, b}, &total); });
    EXPECT_EQ(memory, std::vector<float>(8, 7)) << "nothing is written";
  };
  const LossTerm a{loss::Mse{}, b_.batch(), 1};
  LossTerm first = a, second = a;
  first.batch.prediction = second.batch.prediction = ConstView(memory.data(), 3);
  first.batch.gradient = View(memory.data(), 3);
  refuse({"term 1 (mse): prediction overlaps the gradient of term 0"}, first, second);
  first = second = a;
  first.batch.gradient = View(memory.data(), 3);
  second.batch.target = ConstView(memory.data(), 3);
  refuse({"term 1 (mse): target overlaps the gradient of term 0"}, first, second);
  second = a;
  second.batch.gradient = View(memory.data() + 2, 3);
  refuse({"term 1 (mse): gradient overlaps the gradient of term 0"}, first, second);
  second = {loss::GaussianNll{}, b_.batch(), 1};
  second.batch.second = ConstView(b_.t.data(), 3);
  second.batch.second_gradient = View(memory.data(), 3);
  refuse({"second_gradient (variance) overlaps the gradient of term 0"}, first, second);
  // The last may take the place of what all others have read.
  second = a;
  second.batch.gradient = View(b_.y.data(), 3);
  sum.run(std::vector{a, second}, &total);
}

TEST_F(Combination, TermsHaveColumnsOfOneMatrix) {
  const std::vector<float> y{1, 2, 3, -1, 0, 0.5f}, t{0, 1, 1, 1, 1, 1};
  std::vector<float> g(6, 7), apart(6, 7);
  const auto run = [&](float* two, float* one, std::int64_t stride_of_two, std::int64_t stride_of_one) {
    LossTerm a{loss::Mse{}, {}, 1}, b{loss::Mae{}, {}, 1};
    a.batch.prediction = {y.data(), DType::f32, 2, 2, 3};
    a.batch.target = {t.data(), DType::f32, 2, 2, 3};
    a.batch.gradient = {two, DType::f32, 2, 2, stride_of_two};
    b.batch.prediction = {y.data() + 2, DType::f32, 2, 1, 3};
    b.batch.target = {t.data() + 2, DType::f32, 2, 1, 3};
    b.batch.gradient = {one, DType::f32, 2, 1, stride_of_one};
    LossReport total;
    CombinedLoss sum(*backend_, 2);
    sum.run(std::vector{a, b}, &total);
  };
  run(g.data(), g.data() + 2, 3, 3);
  run(apart.data(), apart.data() + 4, 2, 1);
  EXPECT_EQ(g, (std::vector<float>{apart[0], apart[1], apart[4], apart[2], apart[3], apart[5]}));
  expect_error(Errc::bad_argument, {"gradient overlaps"}, [&] { run(g.data(), g.data() + 1, 3, 3); });
}

TEST_F(Combination, ARefusedTermLeavesTheOthersUntouched) {
  CombinedLoss sum(*backend_, 2);
  std::vector<float> gradient(2, 7);
  LossReport total;
  total.value = 7;
  LossTerm good{loss::Mse{}, a_.batch(), 1}, bad{loss::Mse{}, b_.batch(), 1};
  good.batch.gradient = View(gradient.data(), 2);
  bad.batch.target = {};
  expect_error(Errc::bad_argument, {"term 1 (mse)", "target is missing"}, [&] {
    sum.run(std::vector{good, bad}, &total);
  });
  bad = {loss::Huber{.delta = -1}, b_.batch(), 1};
  expect_error(Errc::bad_argument, {"term 1 (huber)", "delta"}, [&] { sum.run(std::vector{good, bad}, &total); });
  EXPECT_EQ(gradient, std::vector<float>(2, 7));
  EXPECT_EQ(total.value, 7);
}

/// Images [1, classes, pixels]: rows of logits in one block, whose gradient two terms share.
TEST_F(Combination, TermsShareAGradientWithTheClassAxisFirst) {
  constexpr std::int64_t kClasses = 3, kPixels = 4, kImages = 2;
  const std::vector<float> x{1, 2, 3, 4, -1, 0, 1, 2, 0, 1, 0, 1, 2, 2, 2, 2, 1, 0, 1, 0, 3, 1, 3, 1};
  const std::vector<std::int64_t> labels{0, 1, 2, 0, 1, 2, 0, 1};
  std::vector<float> alone(x.size()), shared(x.size());
  const auto term = [&](std::vector<float>& gradient, float weight) {
    LossBatch b;
    b.prediction = channels_first(x.data(), kImages, kClasses, kPixels);
    b.target = {labels.data(), kImages * kPixels};
    b.gradient = channels_first(gradient.data(), kImages, kClasses, kPixels);
    return LossTerm{loss::SoftmaxCrossEntropy{}, b, weight};
  };
  LossReport total;
  CombinedLoss(*backend_, 1).run(std::vector{term(alone, 1)}, &total);
  CombinedLoss(*backend_, 2).run(std::vector{term(shared, 0.5f), term(shared, 0.5f)}, &total);
  EXPECT_EQ(shared, alone);
}

TEST_F(Combination, PenaltiesOfParameters) {
  std::vector<float> p{1, -2, 0, 3}, g(4), v(4);
  Parameter parameter{"p", p.data(), g.data(), {v.data()}, 4};
  const auto set = backend_->bind(std::span(&parameter, 1), ParameterGroup{});
  ParameterNorms norms;
  backend_->norms(*set, &norms);
  EXPECT_EQ(norms.l1, 6);
  EXPECT_EQ(norms.squared_l2, 14);
  UpdateOptions options;
  options.l1 = 0.5;
  options.l2 = 0.25;
  EXPECT_EQ(regularisation(options, norms), 3 + 1.75);
}

}  // namespace
}  // namespace fuselage
