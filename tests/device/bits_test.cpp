// The device of this build gives the bits of the CPU, in every case: those of the same run, and those that are pinned
// in expected_bits.txt. Whatever the grid, the blocks, the shared memory: cases vary them.
//
// The cases are those of tests/cases: FUSELAGE_CASES says how many (Extent in tests/cases/group.h; full where it says
// nothing). The pinned bits are of all cases. Every kernel is launched, in either extent: programs on the emulated
// device see to that (tests/cases/kernel_coverage.cpp).
#include <gtest/gtest.h>

#include "fuselage/validate.h"
#include "tests/cases/device_suite.h"
#include "tests/cases/expected.h"
#include "tests/support/paths.h"

namespace fuselage::cases {
namespace {

class Bits : public DeviceSuite, public ::testing::WithParamInterface<ChosenGroup> {};

Extent extent() {
  const std::string word = environment("FUSELAGE_CASES");
  return word == "brief" ? Extent::brief : word == "small" ? Extent::small : Extent::full;
}

TEST_P(Bits, AreThoseOfTheCpu) {
  const Group& group = GetParam().group;
  cases::Bits bits;
  for (const Levels& levels : GetParam().cases()) {
    bits.add(compare(group, levels));
    if (HasFailure()) return;
  }
  if (extent() != Extent::full) return;
  const std::string file = test::source_dir() / "tests/device/expected_bits.txt";
  EXPECT_EQ(judge(group.name, bits, read_expected_bits(file)), "");
}

std::string test_name(const ::testing::TestParamInfo<ChosenGroup>& info) {
  std::string name = info.param.group.name;
  for (char& c : name)
    if (c == ' ') c = '_';
  return name;
}

INSTANTIATE_TEST_SUITE_P(All, Bits, ::testing::ValuesIn(choose_groups(extent())), test_name);

using Validation = DeviceSuite;

TEST_F(Validation, TheDeviceIsWithinTheErrorBudgetOfTheReference) {
  if (extent() != Extent::full) GTEST_SKIP() << "of full runs; `fuselage validate` does the same";
  set_device_limits({});
  const ValidationReport report = run_validation({.device = std::string(cuda_device_name()), .quick = true});
  EXPECT_EQ(report.backends, std::vector<std::string>{std::string(cuda_device_name())});
  for (const ValidationRow& row : report.rows)
    EXPECT_TRUE(row.passed()) << row.name << " " << name_of(row.dtype) << "\n  value " << row.value_ulp << " "
                              << row.worst_value << "\n  gradient " << row.gradient_ulp << " " << row.worst_gradient
                              << "\n  " << row.mismatch << "\n  " << row.disagreement;
}

}  // namespace
}  // namespace fuselage::cases
