// Known numbers of the pointwise losses in fp32: worked out by hand from the formulas, with the logarithms and
// exponentials of small numbers from tables; kinks, ends of ranges, NaN and huge arguments.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <variant>

#include "fuselage/losses.h"

namespace fuselage {
namespace {

ValueGrad<float> evaluate(const std::string& text, float y, float t) {
  return std::visit(
      [&]<class L>(const L& loss) -> ValueGrad<float> {
        if constexpr (loss::Pointwise<L>)
          return loss(y, t);
        else
          return {NAN, NAN};
      },
      Losses::parse(text, "loss"));
}

/// Calls f(loss) for every pointwise loss with its defaults.
template <class F>
void for_each_pointwise(F&& f) {
  Losses::for_each([&]<class L>() {
    if constexpr (loss::Pointwise<L>) f(L{});
  });
}

/// Within 4 units in the last place, or 2 steps of the denormals.
bool near(float got, double expected) {
  return std::abs(got - expected) <= std::max(std::abs(expected) * 4 * 0x1p-23, 2 * 0x1p-149);
}

struct Known {
  const char* loss;
  float y, t;
  double value, grad;
};

const Known kKnown[] = {
    {"mse", 3, 1, 4, 4},
    {"mae", 1, 3, 2, -1},
    {"huber", 3, 0, 2.5, 1},
    {"smooth_l1", 0.5f, 0, 0.125, 0.5},
    // log cosh 1 and tanh 1; d^2/2 near 0; |d| - log 2 far away
    {"log_cosh", 2, 1, 0.43378083048302525, 0.76159415595576489},
    {"log_cosh", -0x1p-20f, 0, 0x1p-41, -0x1p-20},
    {"log_cosh", 1e8f, 0, 1e8, 1},
    {"quantile:q=0.75", 1, 3, 1.5, -0.75},
    {"quantile:q=0.75", 3, 1, 0.5, 0.25},
    {"expectile:tau=0.75", 1, 3, 3, -3},
    {"expectile:tau=0.75", 3, 1, 1, 1},
    // 2 log 2; half the logarithm of 10^60
    {"cauchy:c=2", 2, 0, 1.3862943611198906, 1},
    {"cauchy", 1e30f, 0, 69.077552789821371, 1e-30},
    // u = 1/4: (2/3)(1 - 27/64), (3/4)^2
    {"tukey:c=2", 1, 0, 0.38541666666666667, 0.5625},
    {"tukey:c=2", 2, 0, 0.66666666666666667, 0},
    {"tukey:c=2", -1e30f, 0, 0.66666666666666667, 0},
    {"mape", 110, 100, 10, 1},
    {"mape:eps=0.5", -1, 0, 200, -200},
    // s = 4; numerators 2 * 2 and -2 (2 * 2 + 1), then of opposite signs -2 * 2
    {"smape:eps=1", 1, 2, 0.5, -0.625},
    {"smape:eps=2", -1, 1, 1, -0.25},
    // (log 2)^2 and 2 log 2 / 4
    {"msle", 3, 1, 0.48045301391820142, 0.34657359027997265},
    {"msle:floor=1", 0.5f, 3, 0.48045301391820142, 0},
    {"relative_l1:eps=0.5", 0.5f, 2, 1.5, -2.5},
    {"relative_l1:eps=0.5,frozen=true", 0.5f, 2, 1.5, -1},
    // 0.25/0.26; the derivative, and the one with a constant normaliser, differ by -0.25/0.26^2
    {"relative_l2", 0.5f, 1, 0.96153846153846154, -7.5443786982248521},
    {"relative_l2:frozen=true", 0.5f, 1, 0.96153846153846154, -3.8461538461538462},
    // e - 1; with Stirling's 2 log 2 - 2 + log(4 pi)/2
    {"poisson_nll", 1, 1, 1.7182818284590452, 1.7182818284590452},
    {"poisson_nll:full=true", 0, 2, 1.6518064841223188, -1},
    {"poisson_nll:log_input=false", 2, 1, 1.3068528194400547, 0.5},
    {"gamma_nll", 0, 2, 2, -1},
    {"gamma_nll", -100, 0, -100, 1},
    {"tweedie", 0, 1, 4, 0},
    {"tweedie", 2, 0, 5.4365636569180905, 2.7182818284590452},
    {"bce:pos_weight=3", 0.5f, 1, 2.0794415416798359, -6},
    {"bce:label_smoothing=0.5", 0.5f, 1, 0.69314718055994531, -1},
    {"bce_with_logits", 0, 1, 0.69314718055994531, -0.5},
    {"bce_with_logits:pos_weight=3", 0, 1, 2.0794415416798359, -1.5},
    {"bce_with_logits:label_smoothing=0.5", 0, 1, 0.69314718055994531, -0.25},
    {"bce_with_logits:pos_weight=1", -120, 1, 120, -1},
    // log 2 / 4, and (log 2 + 1/2) / 4
    {"focal", 0, 1, 0.17328679513998633, -0.29828679513998633},
    {"focal:alpha=0.25", 0, 1, 0.043321698784996582, -0.074571698784996582},
    {"focal:alpha=0.25", 0, 0, 0.12996509635498974, 0.22371509635498974},
    {"hinge", -1, 1, 2, -1},
    {"squared_hinge", -1, 1, 4, -4},
    {"squared_hinge", 3, 1, 0, 0},
    // e^-100 is a denormal
    {"soft_margin", 0, -1, 0.69314718055994531, 0.5},
    {"soft_margin", -1, 1, 1.3132616875182228, -0.73105857863000488},
    {"soft_margin", -1000, 1, 1000, -1},
    {"soft_margin", 100, 1, 3.7200759760208360e-44, -3.7200759760208360e-44},
    {"perceptron", -2, 1, 2, -1},
    {"perceptron", 2, 1, 0, 0},
    {"rmse", 3, 1, 4, 4},  // before the root
    {"hinge_embedding", 2, 1, 2, 1},
    {"hinge_embedding", 0.25f, -1, 0.75, -1},
    {"hinge_embedding", 2, -1, 0, 0},
    {"kl", -1, 0.5f, 0.15342640972002736, -0.5},
    {"kl", -1, 0, 0, 0},
    {"generalized_kl", 0.25f, 0.5f, 0.096573590279972649, -1},
    {"generalized_kl", 0.25f, 0, 0.25, 1},
    {"js", 0.25f, 0.5f, 0.021237379578064757, -0.20273255405408219},
    {"total_variation", 0.25f, 0.5f, 0.125, -0.5},
    {"asymmetric", 0, 1, 0.34657359027997264, -0.42328679513998632},  // (1/2) log 2, -(1/4)(log 2 + 1)
};

TEST(LossValues, KnownNumbers) {
  std::set<std::string> seen;
  for (const Known& known : kKnown) {
    const auto [value, grad] = evaluate(known.loss, known.y, known.t);
    EXPECT_TRUE(near(value, known.value)) << known.loss << " value " << value << ", expected " << known.value;
    EXPECT_TRUE(near(grad, known.grad)) << known.loss << " gradient " << grad << ", expected " << known.grad;
    seen.insert(std::string(known.loss).substr(0, std::string(known.loss).find(':')));
  }
  std::size_t pointwise = 0;
  for_each_pointwise([&](const auto&) { ++pointwise; });
  EXPECT_EQ(seen.size(), pointwise) << "every pointwise loss has its known numbers";
}

TEST(LossValues, APerfectPredictionCostsNothingAndPullsNowhere) {
  for (const char* text : {"mse", "mae", "huber", "smooth_l1", "smooth_l1:beta=0", "log_cosh", "quantile:q=0.25",
                           "expectile:tau=0.25", "cauchy", "tukey", "mape", "smape", "msle", "relative_l1",
                           "relative_l2", "relative_l1:frozen=true", "relative_l2:frozen=true"})
    for (const float t : {0.0f, 0.7f, 3.0f, 1e8f}) {
      const auto [value, grad] = evaluate(text, t, t);
      EXPECT_EQ(value, 0) << text << " at " << t;
      EXPECT_EQ(grad, 0) << text << " at " << t;
    }
}

TEST(LossValues, Kinks) {
  EXPECT_EQ(evaluate("hinge", 1, 1).grad, 0);
  EXPECT_EQ(evaluate("perceptron", 0, 1).grad, 0);
  EXPECT_EQ(evaluate("perceptron", 0, -1).grad, 0);
  EXPECT_EQ(evaluate("tukey:c=2", 2, 0).grad, 0);
  // At y = 0 the middle of both sides: 2 (|t| + eps) / (|t| + eps)^2, and eps / eps^2.
  EXPECT_FLOAT_EQ(evaluate("smape:eps=1", 0, 3).grad, -0.5f);
  EXPECT_FLOAT_EQ(evaluate("relative_l1:eps=0.5", 0, 3).grad, -2);
  EXPECT_EQ(evaluate("msle", 0, 3).grad, 0) << "below the floor";
}

TEST(LossValues, DivergencesOfTheSmallestProbabilities) {
  const float tiny = 0x1p-149f, small = 0x1p-140f;
  for (const char* loss : {"js", "js:beta=0.25", "js:beta=0", "generalized_kl"})
    EXPECT_EQ(evaluate(loss, tiny, tiny).value, 0) << loss;
  EXPECT_EQ(evaluate("js", tiny, tiny).grad, 0);
  EXPECT_TRUE(near(evaluate("js", small, 0).grad, 0.34657359027997264));  // (1/2) log 2
  EXPECT_TRUE(near(evaluate("js", tiny, 0).grad, 0.34657359027997264));
  // infinite, not NaN: t log(t/0)
  for (const char* loss : {"js:beta=0", "generalized_kl"}) {
    EXPECT_EQ(evaluate(loss, 0, small).value, HUGE_VALF) << loss;
    EXPECT_EQ(evaluate(loss, 0, small).grad, -HUGE_VALF) << loss;
  }
  EXPECT_EQ(evaluate("js:beta=1", small, 0).value, HUGE_VALF);
}

TEST(LossValues, NaNGoesThrough) {
  for_each_pointwise([](const auto& loss) {
    for (const float t : {-1.0f, 0.0f, 1.0f}) {
      const auto [value, grad] = loss(std::numeric_limits<float>::quiet_NaN(), t);
      EXPECT_TRUE(std::isnan(value)) << loss.name;
      EXPECT_TRUE(std::isnan(grad)) << loss.name;
    }
  });
}

TEST(LossValues, LargeNumbersStayFinite) {
  for_each_pointwise([](const auto& loss) {
    using L = std::remove_cvref_t<decltype(loss)>;
    using enum Domain;
    if (L::prediction == probability || L::prediction == log_mean || L::prediction == log_probability) return;
    for (const float y : {1e4f, -1e4f, 1e8f, -1e8f})
      for (const float t : {0.0f, 1.0f, -1.0f}) {
        if (L::target == sign && t == 0) continue;
        if ((L::target == probability || L::target == non_negative) && t < 0) continue;
        if (L::prediction == positive && y < 0) continue;
        const auto [value, grad] = loss(y, t);
        EXPECT_TRUE(std::isfinite(value)) << loss.name << " of " << y << ", " << t;
        EXPECT_TRUE(std::isfinite(grad)) << loss.name << " of " << y << ", " << t;
      }
  });
}

TEST(LossValues, FocalAtSaturation) {
  for (const char* gamma : {"0", "0.5", "1", "2"})
    for (const float x : {18.0f, -18.0f, 88.0f, -88.0f, 1e4f, -1e4f})
      for (const float t : {0.0f, 0.3f, 1.0f}) {
        const auto [value, grad] = evaluate("focal:gamma=" + std::string(gamma), x, t);
        EXPECT_TRUE(std::isfinite(value) && value >= 0) << gamma << " " << x << " " << t;
        EXPECT_TRUE(std::isfinite(grad)) << gamma << " " << x << " " << t;
      }
}

/// Within the budget, or where denormals begin.
bool within(float got, long double expected, double ulp) {
  const long double unit = std::max(std::abs(expected) * 0x1p-23L, 0x1p-149L);
  return std::abs(static_cast<long double>(got) - expected) <= static_cast<long double>(ulp) * unit;
}

TEST(LossValues, AnyPowerOfFocalKeepsItsBudget) {
  for (const double gamma : {0.1, 2.0, 5.0, 8.0, 20.1, 100.0, 300.0, 1000.0, 1e5, 1e7}) {
    const loss::Focal focal{.alpha = {}, .gamma = gamma};
    const loss::Asymmetric asymmetric{.gamma_pos = gamma, .gamma_neg = gamma, .clip = 0};
    for (int i = -20000; i <= 20000; ++i) {
      const float x = static_cast<float>(i) / 1000;
      const long double w = x, yes = std::log1p(std::exp(-w)), no = std::log1p(std::exp(w)), p = std::exp(-yes),
                        q = std::exp(-no), power = std::exp(-gamma * no), value = power * yes,
                        slope = -power * (gamma * p * yes + q);
      const auto got = focal(x, 1.0f), other = focal(-x, 0.0f), third = asymmetric(x, 1.0f);
      ASSERT_TRUE(within(got.value, value, loss::Focal::budget.value)) << gamma << " " << x;
      ASSERT_TRUE(within(got.grad, slope, loss::Focal::budget.gradient)) << gamma << " " << x;
      ASSERT_TRUE(within(other.value, value, loss::Focal::budget.value)) << gamma << " " << -x;
      ASSERT_TRUE(within(other.grad, -slope, loss::Focal::budget.gradient)) << gamma << " " << -x;
      ASSERT_TRUE(within(third.value, value, loss::Asymmetric::budget.value)) << gamma << " " << x;
      ASSERT_TRUE(within(third.grad, slope, loss::Asymmetric::budget.gradient)) << gamma << " " << x;
    }
  }
}

TEST(LossValues, FocalWithoutGammaIsWeighedCrossEntropy) {
  for (int i = -400; i <= 400; ++i)
    for (const float t : {0.0f, 1.0f}) {
      const float x = static_cast<float>(i) / 4;
      const auto focal = evaluate("focal:alpha=0.25,gamma=0", x, t), plain = evaluate("bce_with_logits", x, t);
      const double alpha = t > 0 ? 0.25 : 0.75;
      EXPECT_TRUE(near(focal.value, alpha * plain.value)) << x << " " << t;
      EXPECT_TRUE(near(focal.grad, alpha * plain.grad)) << x << " " << t;
    }
}

}  // namespace
}  // namespace fuselage
