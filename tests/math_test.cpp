// The elementary functions against the C library in the next wider type, on stratified inputs, and their specials.
//
// math_sweep_test.cpp takes every float; this one takes a million for each function, and doubles.
#include "fuselage/core/math.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstdio>
#include <string>
#include <vector>

#include "tests/math_bits/functions.h"
#include "tests/math_bits/inputs.h"

namespace fuselage {
namespace {

using math_bits::Functions;
using math_bits::ulp_error;

constexpr double kInf = std::numeric_limits<double>::infinity(), kNan = std::numeric_limits<double>::quiet_NaN();

std::string hex(double x) {
  char text[40];
  std::snprintf(text, sizeof text, "%a", x);
  return text;
}

/// The worst of many, and where.
struct Worst {
  double error = 0;
  std::string place = "nowhere";
  void see(double e, double x, double y, double got, double want) {
    if (e <= error) return;
    error = e;
    place = hex(x) + ", " + hex(y) + ": got " + hex(got) + ", expected " + hex(want);
  }
  /// Prints the error and holds it against the bound.
  void judge(const char* type, const char* name, double bound) const {
    std::printf("%-6s %-24s %.4f ulp at %s\n", type, name, error, place.c_str());
    EXPECT_LE(error, bound) << type << " " << name << " at " << place;
  }
};

template <class T, class Wide>
void judge_all(const std::vector<T>& inputs, const char* type) {
  for (const auto& f : Functions<T, Wide>::kAll) {
    Worst worst;
    for (T x : inputs) {
      const T got = f.ours(x);
      const Wide want = f.judge(static_cast<Wide>(x));
      worst.see(ulp_error(got, want), x, 0, got, static_cast<double>(want));
    }
    worst.judge(type, f.name, f.bound);
  }
}

TEST(Math, FloatsWithinTheirBounds) { judge_all<float, double>(math_bits::stratified_floats(1950), "float"); }

TEST(Math, DoublesWithinTheirBounds) {
  judge_all<double, long double>(math_bits::stratified_doubles(12, 40000), "double");
}

template <class T, class Wide>
void judge_pow(const char* type) {
  Worst worst;
  for (auto [x, y] : math_bits::power_pairs<T>(150000)) {
    const T got = pow(x, y);
    const Wide want = std::pow(static_cast<Wide>(x), static_cast<Wide>(y));
    worst.see(ulp_error(got, want), x, y, got, static_cast<double>(want));
  }
  worst.judge(type, "pow", math_bits::kPowBound);
}
TEST(Math, FloatPowers) { judge_pow<float, double>("float"); }
TEST(Math, DoublePowers) { judge_pow<double, long double>("double"); }

// exp_scaled: the base of a chunk whose maximum is m, as softmax takes it.
template <class T>
void judge_exp_scaled(const char* type) {
  // ln 2 in 40 bits, whose product with k is exact, and the rest.
  constexpr long double kLn2 = 0x1.62e42fefap-1L, kLn2Rest = 0x1.cf79abc9e3b39803f2f6p-40L;
  Worst worst;
  math_bits::Random random(17);
  for (int i = 0; i < 1000000; ++i) {
    const float m = static_cast<float>((random.unit() - 0.5) * (i % 2 ? 8228 : 60));
    const double k = std::nearbyint(m * 1.4426950408889634);
    const T x = static_cast<T>(m - random.unit() * (i % 5 ? 86 : 4)), low = static_cast<T>(m - 86.0f);
    const T got = exp_scaled(x, static_cast<T>(12582912.0 - k), low);
    const long double want = x < low ? 0 : std::exp((x - k * kLn2) - k * kLn2Rest);
    worst.see(ulp_error(got, want), x, k, got, static_cast<double>(want));
  }
  worst.judge(type, "exp_scaled", sizeof(T) == 4 ? math_bits::kExpScaledBound : 2);
}
TEST(Math, ExpScaledFloat) { judge_exp_scaled<float>("float"); }
TEST(Math, ExpScaledDouble) { judge_exp_scaled<double>("double"); }

TEST(Math, ExpScaledKeepsNanOfAnyPayloadAndFlushesBelow) {
  for (float x : math_bits::special_floats())
    if (x != x) {
      const float y = exp_scaled(x, 12582912.0f - 3, -83.0f);
      EXPECT_NE(y, y) << std::hex << bits(x);
    }
  EXPECT_EQ(bits(exp_scaled(-83.01f, 12582912.0f - 3, -83.0f)), 0);
  EXPECT_EQ(bits(exp_scaled(-float(kInf), 12582912.0f, -86.0f)), 0);
  EXPECT_EQ(exp_scaled(0.0f, 12582912.0f - 3, -83.0f), 0.125f);
  EXPECT_EQ(exp_scaled(0.0, 12582912.0 - 3, -83.0), 0.125);
}

template <class T>
bool same(T a, double b) {
  return b != b ? a != a : a == static_cast<T>(b) && std::signbit(a) == std::signbit(b);
}

template <class T>
void check_specials() {
  struct Row {
    const char* name;
    T (*f)(T);
    double at_minus_inf, at_minus_zero, at_zero, at_inf;
  };
  const Row rows[] = {
      {"exp", [](T x) { return exp(x); }, 0, 1, 1, kInf},
      {"exp2", [](T x) { return exp2(x); }, 0, 1, 1, kInf},
      {"expm1", [](T x) { return expm1(x); }, -1, -0.0, 0, kInf},
      {"log", [](T x) { return log(x); }, kNan, -kInf, -kInf, kInf},
      {"log2", [](T x) { return log2(x); }, kNan, -kInf, -kInf, kInf},
      {"log1p", [](T x) { return log1p(x); }, kNan, -0.0, 0, kInf},
      {"sigmoid", [](T x) { return sigmoid(x); }, 0, 0.5, 0.5, 1},
      {"softplus", [](T x) { return softplus(x); }, 0, static_cast<double>(T(std::log(2.0))),
       static_cast<double>(T(std::log(2.0))), kInf},
      {"tanh", [](T x) { return tanh(x); }, -1, -0.0, 0, 1},
      {"erf", [](T x) { return erf(x); }, -1, -0.0, 0, 1},
      {"sign", [](T x) { return sign(x); }, -1, 0, 0, 1},
      {"relu", [](T x) { return relu(x); }, 0, 0, 0, kInf},
  };
  for (const Row& r : rows) {
    const std::pair<double, double> cases[] = {{-kInf, r.at_minus_inf},
                                               {-0.0, r.at_minus_zero},
                                               {0.0, r.at_zero},
                                               {kInf, r.at_inf},
                                               {kNan, kNan},
                                               {-kNan, kNan}};
    for (auto [x, want] : cases) {
      const T got = r.f(static_cast<T>(x));
      EXPECT_TRUE(same(got, want)) << r.name << "(" << x << ") = " << got << ", expected " << want;
    }
  }
  EXPECT_TRUE(same(log1p(T(-1)), -kInf));
  EXPECT_TRUE(same(log1p(T(-1.5)), kNan));
  EXPECT_TRUE(same(log(T(-1)), kNan));
  for (int n = -140; n <= 127; ++n) {
    EXPECT_EQ(log2(std::ldexp(T(1), n)), T(n));
    EXPECT_EQ(exp2(T(n)), std::ldexp(T(1), n));
  }
}
TEST(Math, SpecialValuesFloat) { check_specials<float>(); }
TEST(Math, SpecialValuesDouble) { check_specials<double>(); }

// IEEE 754-2019 written with branches, over all pairs of specials.
template <class T>
void check_extremes() {
  std::vector<T> values;
  for (float x : math_bits::special_floats()) values.push_back(x);
  for (T a : values) {
    EXPECT_TRUE(same(sign(a), a != a ? kNan : a > 0 ? 1 : a < 0 ? -1 : 0)) << a;
    EXPECT_TRUE(same(relu(a), a != a ? kNan : a > 0 ? static_cast<double>(a) : 0)) << a;
    for (T b : values) {
      const bool nan = a != a || b != b, a_below = a < b || (a == b && std::signbit(a));
      EXPECT_TRUE(same(minimum(a, b), nan ? kNan : static_cast<double>(a_below ? a : b))) << a << " " << b;
      EXPECT_TRUE(same(maximum(a, b), nan ? kNan : static_cast<double>(a_below ? b : a))) << a << " " << b;
    }
  }
}
TEST(Math, MinimumMaximumSignReluFloat) { check_extremes<float>(); }
TEST(Math, MinimumMaximumSignReluDouble) { check_extremes<double>(); }

TEST(Math, IntegerPowers) {
  EXPECT_EQ(powi(0.0, 0), 1);
  EXPECT_EQ(powi(kNan, 0), 1);
  EXPECT_EQ(powi(2.0, 10), 1024);
  EXPECT_EQ(powi(-2.0, 3), -8);
  EXPECT_EQ(powi(0.5, 1074), 0x1p-1074);
  EXPECT_EQ(powi(2.0, std::int64_t{1} << 40), kInf);
  EXPECT_EQ(powi(-1.0, (std::int64_t{1} << 53) + 1), -1);
  for (double base : {0.9, 0.999, 1.0001, -0.97})
    for (std::int64_t n = 1; n < 3000; n += n / 7 + 1) {
      const long double want = std::pow(static_cast<long double>(base), static_cast<long double>(n));
      EXPECT_LE(ulp_error(powi(base, n), want), 1.0 + static_cast<double>(n)) << base << "^" << n;
    }
}

TEST(Math, CosineOfPi) {
  for (int n = 0; n < 40; ++n)
    for (double sign : {1.0, -1.0}) {
      EXPECT_EQ(cospi(sign * n), n % 2 ? -1 : 1);
      EXPECT_TRUE(same(cospi(sign * (n + 0.5)), 0)) << n;
    }
  EXPECT_EQ(cospi(0x1p52 + 1), -1);
  EXPECT_EQ(cospi(0x1p53), 1);
  EXPECT_TRUE(same(cospi(0x1p51 + 0.5), 0));
  EXPECT_EQ(cospi(1e300), 1);
  EXPECT_NE(cospi(kInf), cospi(kInf));
  EXPECT_NE(cospi(kNan), cospi(kNan));
  Worst worst;
  math_bits::Random random(19);
  for (int i = 0; i < 400000; ++i) {
    const double x = (random.unit() - 0.5) * (i % 2 ? 2 : 40);
    // Reduced exactly before pi comes in, and around the zeros as a sine.
    const double turn = std::remainder(x, 2.0), a = std::fabs(turn), f = a > 0.5 ? 1 - a : a;
    constexpr long double kPi = 3.14159265358979323846264338327950288L;
    const long double c = f < 0.25 ? std::cos(kPi * f) : std::sin(kPi * (0.5L - f));
    const long double want = a > 0.5 ? -c : c;
    worst.see(ulp_error(cospi(x), want), x, 0, cospi(x), static_cast<double>(want));
  }
  worst.judge("double", "cospi", math_bits::kCospiBound);
}

}  // namespace
}  // namespace fuselage
