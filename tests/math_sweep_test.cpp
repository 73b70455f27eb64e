// Every float: the functions against the C library in double, all 2^32 inputs each, with the bounds of the one table.
//
// Some minutes a function; carries ctest's label slow. One function: --gtest_filter='*/log1p'.
#include <gtest/gtest.h>

#include <bit>
#include <cstdio>
#include <string>
#include <thread>

#include "tests/math_bits/functions.h"

namespace fuselage {
namespace {

using Table = math_bits::Functions<float, double>;
using Function = math_bits::Function<float, double>;

struct Worst {
  double error = 0;
  float x = 0;
  std::uint64_t seen = 0;
};

/// Judges the floats whose bits are in [first, last): error(x) is in ulp.
template <class Error>
void sweep(std::uint64_t first, std::uint64_t last, Error error, Worst& worst) {
  for (std::uint64_t u = first; u < last; ++u) {
    const float x = std::bit_cast<float>(static_cast<std::uint32_t>(u));
    const double e = error(x);
    if (e > worst.error) worst.error = e, worst.x = x;
  }
  worst.seen += last - first;
}

/// All floats, by sign on two threads.
template <class Error>
Worst sweep_all(Error error) {
  constexpr std::uint64_t kHalf = std::uint64_t{1} << 31;
  Worst positive, negative;
  {
    std::jthread other([&] { sweep(0, kHalf, error, positive); });
    sweep(kHalf, 2 * kHalf, error, negative);
  }
  EXPECT_EQ(positive.seen + negative.seen, 2 * kHalf);
  return positive.error > negative.error ? positive : negative;
}

void judge(const char* name, const Worst& worst, double bound) {
  std::printf("%-24s %.4f ulp at %a (%.9g)\n", name, worst.error, worst.x, worst.x);
  std::fflush(stdout);
  EXPECT_LE(worst.error, bound) << name << "(" << worst.x << ")";
}

class Sweep : public testing::TestWithParam<Function> {};

TEST_P(Sweep, EveryFloat) {
  const Function& f = GetParam();
  const auto error = [&](float x) { return math_bits::ulp_error(f.ours(x), f.judge(static_cast<double>(x))); };
  judge(f.name, sweep_all(error), f.bound);
}

// The base 20 binades above the result; elsewhere the scale is exact and the bits the same.
TEST(ExpScaledSweep, EveryFloatToItsLimit) {
  constexpr double kLn2 = 0x1.62e42fefap-1, kLn2Rest = 0x1.cf79abc9e3b3ap-40;  // 40 bits, and the rest
  const auto error = [](float x) {
    if (!(std::fabs(x) <= 4200)) return 0.0;
    const double k = std::nearbyint(x * 1.4426950408889634) + 20;
    const float got = exp_scaled(x, static_cast<float>(12582912 - k), -5000.0f);
    return math_bits::ulp_error(got, std::exp((x - k * kLn2) - k * kLn2Rest));
  };
  judge("exp_scaled", sweep_all(error), math_bits::kExpScaledBound);
}

std::string name_of_test(const testing::TestParamInfo<Function>& info) {
  std::string name = info.param.name;
  for (char& c : name)
    if (c == '.') c = '_';
  return name;
}
INSTANTIATE_TEST_SUITE_P(Math, Sweep, testing::ValuesIn(Table::kAll), name_of_test);

}  // namespace
}  // namespace fuselage
