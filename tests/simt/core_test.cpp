// The emulated device's scheduler: collectives, atomics, barriers; what goes wrong with them; right ways of threads to
// wait for one another, under many orders.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "tests/simt/kernels/fixture.h"
#include "tests/simt/launch.h"

namespace {

using namespace simt;
using namespace simt::test;

constexpr std::uint64_t kSeeds = 50;

class Scheduling : public testing::TestWithParam<Case> {};
TEST_P(Scheduling, FaultIsFoundInAnyOrder) {
  const std::uint64_t seeds = std::string(GetParam().name) == "spins" ? 2 : 10;
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    const std::string fault = run_case(GetParam(), seed);
    expect_fault(GetParam(), "tests/simt/kernels/scheduling_faults.cu", fault);
    EXPECT_NE(fault.find("SIMT_SEED=" + std::to_string(seed) + ")"), std::string::npos) << fault;
    if (HasFailure()) break;
  }
}
INSTANTIATE_TEST_SUITE_P(, Scheduling, testing::ValuesIn(scheduling_faults().begin(), scheduling_faults().end()),
                         CaseName());

class Clean : public testing::TestWithParam<Case> {};
TEST_P(Clean, IsNotBlamedInAnyOrder) {
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    const CaseMemory memory;
    ASSERT_EQ(run_with_seed(grid_of(GetParam(), memory.get()), seed), "") << "seed " << seed;
    const DeviceAccess open;
    ASSERT_TRUE(GetParam().right(memory.get())) << "seed " << seed;
  }
}
INSTANTIATE_TEST_SUITE_P(, Clean, testing::ValuesIn(clean_kernels().begin(), clean_kernels().end()), CaseName());

/// Without checks of accesses, orders alone must show that a barrier is missing: by wrong values.
TEST(Orders, BringOutMissingBarriers) {
  if (check::enabled()) GTEST_SKIP() << "accesses are checked: these faults end the grid";
  for (const Case& one : races()) {
    const std::string name = one.name;
    if (name != "read_too_early" && !name.starts_with("overwritten_by_first") &&
        !name.starts_with("overwritten_by_last"))
      continue;
    int wrong = 0;
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
      const CaseMemory memory;
      ASSERT_EQ(run_with_seed(grid_of(one, memory.get()), seed), "");
      const DeviceAccess open;
      wrong += std::any_of(memory.get().floats, memory.get().floats + one.threads, [](float x) { return x != 1; });
    }
    EXPECT_GE(wrong, 2) << name << " shows under " << wrong << " of 10 seeds";
  }
}

TEST(Grid, TakesNoHostPointers) {
  float x = 0;
  EXPECT_NE(run_with_seed(grid_with_pointer(&x), 1).find("a pointer argument of the kernel is host memory"),
            std::string::npos);
  const CaseMemory memory;
  EXPECT_EQ(run_with_seed(grid_with_pointer(memory.get().floats), 1), "");
}

TEST(Grid, HasBlocksOfAtMost1024Threads) {
  Grid grid;
  grid.name = "large";
  grid.blocks = dim3(1);
  grid.threads = dim3(1025);
  EXPECT_NE(run_with_seed(grid, 1).find("a block of 1025 threads"), std::string::npos);
}

TEST(Grid, RunsEachThreadOnce) {
  for (const std::uint64_t seed : {0, 1, 2, 3}) {
    std::vector<std::atomic<int>> seen(7 * 3 * 2);
    Grid grid;
    grid.blocks = dim3(7, 3, 2);
    grid.threads = dim3(5, 4, 3);
    grid.body = [&] { ++seen[0]; };
    EXPECT_EQ(run_with_seed(grid, seed), "");
    EXPECT_EQ(seen[0], 7 * 3 * 2 * 5 * 4 * 3);
  }
}

TEST(Grid, EndsWithAnException) {
  Grid grid;
  grid.name = "thrower";
  grid.blocks = grid.threads = dim3(2);
  grid.body = [] { throw std::runtime_error("a message"); };
  EXPECT_NE(run_with_seed(grid, 1).find("throws an exception: a message"), std::string::npos);
}

/// The rows of collectives_grid, as CUDA's programming guide defines them.
std::array<std::array<unsigned, 32>, kCollectives> expected_collectives() {
  std::array<std::array<unsigned, 32>, kCollectives> all{};
  const auto x = [](unsigned t) { return t * t + 3; };
  unsigned sum = 0, most = 0, conjunction = ~0u, any = 0, odd = 0, ballot = 0;
  for (unsigned t = 0; t < 32; ++t) {
    sum += x(t);
    most = std::max(most, x(t));
    conjunction &= x(t) | 4;
    any |= x(t);
    odd ^= x(t);
    if (t % 3 == 0) ballot |= 1u << t;
  }
  for (unsigned t = 0; t < 32; ++t) {
    unsigned same = 0;
    for (unsigned u = 0; u < 32; ++u)
      if (u % 5 == t % 5) same |= 1u << u;
    const std::array<unsigned, kCollectives> rows = {x(7),
                                                     x(t / 8 * 8 + 1),
                                                     t < 3 ? x(t) : x(t - 3),
                                                     t % 16 < 3 ? x(t) : x(t - 3),
                                                     t > 26 ? x(t) : x(t + 5),
                                                     t % 8 > 2 ? x(t) : x(t + 5),
                                                     x(t ^ 21),
                                                     (t ^ 12) > (t | 7) ? x(t) : x(t ^ 12),
                                                     31,
                                                     30,
                                                     ballot,
                                                     1,
                                                     0,
                                                     same,
                                                     0,  // all lanes and true: wraps
                                                     0,
                                                     sum,
                                                     3,
                                                     static_cast<unsigned>(-9),
                                                     most,
                                                     static_cast<unsigned>(-9),
                                                     conjunction,
                                                     any,
                                                     odd};
    for (unsigned row = 0; row < kCollectives; ++row) all[row][t] = rows[row];
  }
  return all;
}

TEST(Warp, CollectivesComputeWhatTheGuideSays) {
  const auto expected = expected_collectives();
  const CaseMemory memory;
  for (const std::uint64_t seed : {0, 1, 2}) {
    ASSERT_EQ(run_with_seed(collectives_grid(memory.get().words), seed), "");
    const DeviceAccess open;
    for (std::size_t row = 0; row < kCollectives; ++row)
      for (std::size_t t = 0; t < 32; ++t)
        ASSERT_EQ(memory.get().words[row * 32 + t], expected[row][t]) << "row " << row << ", lane " << t;
  }
}

TEST(Atomics, ComputeWhatTheGuideSays) {
  auto* a = static_cast<Atomics*>(allocate(sizeof(Atomics), false));
  {
    const DeviceAccess open;
    *a = {};
    a->least = a->all = ~0u;
    check::write_range(0, a, sizeof *a);
  }
  ASSERT_EQ(run_with_seed(atomics_grid(a), 1), "");
  const DeviceAccess open;
  EXPECT_EQ(a->add, 256u * 255 / 2);
  EXPECT_EQ(a->sub, ~(256u * 255 / 2) + 1);
  EXPECT_TRUE(a->exchanged >= 1 && a->exchanged <= 256) << a->exchanged;
  EXPECT_EQ(a->least, 1000u);
  EXPECT_EQ(a->most, 1255u);
  EXPECT_EQ(a->increased, 56u);
  EXPECT_EQ(a->decreased, 44u);
  EXPECT_EQ(a->all, ~0xffu);
  EXPECT_EQ(a->any, 0xffu);
  EXPECT_EQ(a->odd, 6u);  // 86, 85 and 85 times
  EXPECT_TRUE(a->once >= 1 && a->once <= 256) << a->once;
  EXPECT_EQ(a->least_signed, -255);
  EXPECT_EQ(a->add_long, 256ull << 33);
  EXPECT_EQ(a->most_long, 255ull << 33);
  EXPECT_EQ(a->add_float, 128.0f);
  EXPECT_EQ(a->add_double, 64.0);
  release(a, false);
}

}  // namespace
