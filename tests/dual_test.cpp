// Dual numbers against derivatives known in closed form, and value-only losses against those that give a derivative.
#include "fuselage/core/dual.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "fuselage/core/rng.h"
#include "fuselage/loss/evaluate.h"
#include "fuselage/losses.h"

namespace fuselage {
namespace {

struct Case {
  const char* name;
  std::function<Dual<float>(Dual<float>)> f;
  std::function<long double(long double)> slope;
  double low, high;
  double ulp;  ///< of the slope
};

long double logistic(long double x) { return 1 / (1 + std::exp(-x)); }

const Case kCases[] = {
    {"sqrt", [](auto x) { return sqrt(x); }, [](auto x) { return 0.5L / std::sqrt(x); }, 1e-6, 1e6, 2},
    {"exp", [](auto x) { return exp(x); }, [](auto x) { return std::exp(x); }, -80, 80, 2},
    {"exp2", [](auto x) { return exp2(x); }, [](auto x) { return std::exp2(x) * std::log(2.0L); }, -100, 100, 3},
    {"expm1", [](auto x) { return expm1(x); }, [](auto x) { return std::exp(x); }, -80, 80, 2},
    {"log", [](auto x) { return log(x); }, [](auto x) { return 1 / x; }, 1e-6, 1e6, 1},
    {"log2", [](auto x) { return log2(x); }, [](auto x) { return 1 / (x * std::log(2.0L)); }, 1e-6, 1e6, 2},
    {"log1p", [](auto x) { return log1p(x); }, [](auto x) { return 1 / (1 + x); }, -0.5, 1e6, 2},
    {"tanh", [](auto x) { return tanh(x); }, [](auto x) { return 4 * logistic(2 * x) * logistic(-2 * x); }, -40, 40, 4},
    {"sigmoid", [](auto x) { return sigmoid(x); }, [](auto x) { return logistic(x) * logistic(-x); }, -80, 80, 4},
    {"softplus", [](auto x) { return softplus(x); }, [](auto x) { return logistic(x); }, -80, 80, 2},
    {"erf", [](auto x) { return erf(x); }, [](auto x) { return 2 / std::sqrt(std::acos(-1.0L)) * std::exp(-x * x); },
     -1, 1, 4},
    {"pow", [](auto x) { return pow(x, Dual<float>(2.5)); }, [](auto x) { return 2.5L * std::pow(x, 1.5L); }, 0, 100,
     4},
    {"2^x", [](auto x) { return pow(Dual<float>(2.0), x); }, [](auto x) { return std::exp2(x) * std::log(2.0L); }, -20,
     20, 4},
    {"a quotient", [](auto x) { return (x * x + Dual<float>(1.0)) / (x + Dual<float>(2.0)); },
     [](auto x) { return (x * x + 4 * x - 1) / ((x + 2) * (x + 2)); }, 1, 50, 8},
    {"fma", [](auto x) { return fma(x, x, x); }, [](auto x) { return 2 * x + 1; }, 0, 50, 2},
};

TEST(Dual, SlopesOfTheElementaryFunctions) {
  for (const Case& c : kCases) {
    double worst = 0, at = 0;
    for (std::uint64_t i = 0; i < 20000; ++i) {
      const double u = uniform_double(random_word64(1, i, stream_of(RandomUse::synthetic, 0), 7));
      const auto x = static_cast<float>(c.low + (c.high - c.low) * u);
      const double is = static_cast<double>(c.f(variable(x)).slope);
      const auto should = static_cast<double>(c.slope(static_cast<long double>(x)));
      const auto rounded = static_cast<float>(should);
      const double unit = std::nextafter(std::abs(rounded), INFINITY) - std::abs(rounded);
      const double error = std::abs(is - should) / unit;
      if (error > worst) worst = error, at = x;
    }
    EXPECT_LE(worst, c.ulp) << c.name << " at " << at;
  }
}

TEST(Dual, ValuesHaveTheBitsOfThePlainFunctions) {
  for (std::uint64_t i = 0; i < 20000; ++i) {
    const auto x =
        static_cast<float>(20 * uniform_double(random_word64(1, i, stream_of(RandomUse::synthetic, 1), 7)) - 10);
    EXPECT_EQ(bits(tanh(variable(x)).value), bits(tanh(x)));
    EXPECT_EQ(bits(softplus(variable(x)).value), bits(softplus(x)));
    EXPECT_EQ(bits(pow(abs(variable(x)), Dual<float>(1.5)).value), bits(pow(abs(x), 1.5f)));
  }
}

TEST(Dual, KinksAndConstants) {
  EXPECT_EQ(abs(variable(0.0f)).slope, 0);
  EXPECT_EQ(abs(variable(-2.0f)).slope, -1);
  EXPECT_EQ(relu(variable(0.0f)).slope, 0);
  EXPECT_EQ(relu(variable(3.0f)).slope, 1);
  EXPECT_EQ(sign(variable(3.0f)).slope, 0);
  EXPECT_EQ(copysign(variable(-2.0f), Dual<float>(-1.0)).slope, 1);
  EXPECT_EQ(copysign(variable(-2.0f), Dual<float>(1.0)).slope, -1);
  EXPECT_EQ(pow(variable(0.0f), Dual<float>(2.0)).slope, 0);    // no log(0) comes in
  EXPECT_EQ(pow(Dual<float>(0.0), Dual<float>(2.0)).slope, 0);  // a constant has no slope
  EXPECT_EQ(maximum(variable(1.0f), Dual<float>(0.0)).slope, 1);
  EXPECT_EQ(minimum(variable(1.0f), Dual<float>(0.0)).slope, 0);
  EXPECT_TRUE(std::isnan(abs(variable(NAN)).slope));
}

struct ValueHuber {
  double delta = 1;
  template <class S>
  FUSELAGE_HD S operator()(S y, S t) const {
    const S a = abs(y - t), q = lesser_of(S(delta), a);
    return q * fma(q, S(-0.5), a);
  }
};
static_assert(ValueOnly<ValueHuber> && !ValueOnly<loss::Huber>);

TEST(Dual, AValueOnlyHuberIsTheBuiltIn) {
  for (const double delta : {1.0, 0.25, 3.0}) {
    for (std::uint64_t i = 0; i < 100000; ++i) {
      const auto at = [&](std::uint32_t stream) {
        return static_cast<float>(8 * uniform_double(random_word64(1, i, stream_of(RandomUse::synthetic, stream), 7)) -
                                  4);
      };
      const float y = i % 16 == 0 ? at(2) : at(3), t = at(2);
      const ValueGrad<float> own = value_and_gradient(ValueHuber{delta}, y, t);
      const ValueGrad<float> built_in = value_and_gradient(loss::Huber{delta}, y, t);
      ASSERT_EQ(bits(own.value), bits(built_in.value)) << y << " " << t;
      const float unit = std::nextafter(std::abs(built_in.grad), INFINITY) - std::abs(built_in.grad);
      ASSERT_LE(std::abs(own.grad - built_in.grad), unit) << y << " " << t;
    }
  }
}

// 0 times infinity would be NaN.
TEST(Dual, WhatDoesNotDependOnTheVariableAddsNothing) {
  const float inf = std::numeric_limits<float>::infinity();
  const Dual<float> x = variable(inf), two(2.0), zero(0.0), far = constant(inf);
  EXPECT_EQ((two * x).slope, 2);
  EXPECT_EQ((x * two).slope, 2);
  EXPECT_EQ((x / two).slope, 0.5f);
  EXPECT_EQ((two / zero).slope, 0);
  EXPECT_EQ(fma(two, x, x).slope, 3);
  EXPECT_EQ(sqrt(zero).slope, 0);
  EXPECT_EQ(exp(far).slope, 0);
  EXPECT_EQ(exp2(far).slope, 0);
  EXPECT_EQ(expm1(far).slope, 0);
  EXPECT_EQ(log(zero).slope, 0);
  EXPECT_EQ(log2(zero).slope, 0);
  EXPECT_EQ(log1p(-Dual<float>(1.0)).slope, 0);
}

}  // namespace
}  // namespace fuselage
