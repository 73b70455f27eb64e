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

void sweep(const Function& f, std::uint64_t first, std::uint64_t last, Worst& worst) {
  for (std::uint64_t u = first; u < last; ++u) {
    const float x = std::bit_cast<float>(static_cast<std::uint32_t>(u));
    const double error = math_bits::ulp_error(f.ours(x), f.judge(static_cast<double>(x)));
    if (error > worst.error) worst.error = error, worst.x = x;
  }
  worst.seen += last - first;
}

class Sweep : public testing::TestWithParam<Function> {};

TEST_P(Sweep, EveryFloat) {
  const Function& f = GetParam();
  constexpr std::uint64_t kAll = std::uint64_t{1} << 32;
  Worst positive, negative;
  {
    std::jthread other(sweep, std::cref(f), std::uint64_t{0}, kAll / 2, std::ref(positive));
    sweep(f, kAll / 2, kAll, negative);
  }
  const Worst& worst = positive.error > negative.error ? positive : negative;
  std::printf("%-24s %.4f ulp at %a (%.9g): got %a, expected %a\n", f.name, worst.error, worst.x, worst.x,
              f.ours(worst.x), f.judge(worst.x));
  EXPECT_EQ(positive.seen + negative.seen, kAll);
  EXPECT_LE(worst.error, f.bound) << f.name << "(" << worst.x << ")";
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
