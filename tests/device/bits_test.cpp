// The device of this build gives the bits of the CPU, in every case: those of the same run, and those that are pinned
// in expected_bits.txt. Whatever the grid, the blocks and the shared memory: cases vary them.
//
// The cases are those of tests/cases in which every two levels meet; FUSELAGE_CASES=small leaves out those of more than
// about 10,000 elements (and then the pinned bits, which are of all). Every kernel is among them: the template
// arguments of kernels are entry, storage type, soft or plain targets, vectors or single elements, metrics or none,
// warps or blocks for a row, and each of these follows from factors of which all pairs are taken.
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>

#include "fuselage/validate.h"
#include "tests/cases/device_limits.h"
#include "tests/cases/expected.h"

namespace fuselage::cases {
namespace {

std::string environment(const char* name, const char* otherwise = "") {
  const char* text = std::getenv(name);
  return text ? text : otherwise;
}

class Bits : public ::testing::TestWithParam<Group> {
 protected:
  static void SetUpTestSuite() {
    const CudaStatus status = cuda_status();
    if (!status.usable) {
      missing_ = status.text;
      return;
    }
    device_ = make_backend(cuda_device_name());
    std::cout << device_->description() << std::endl;
  }
  static void TearDownTestSuite() { device_.reset(); }

  void SetUp() override {
    if (!missing_.empty()) GTEST_SKIP() << missing_;
  }

  /// The hash of what the device leaves; says what differs from the CPU.
  static std::uint64_t compare(const Group& group, const Levels& levels) {
    const CaseRun run = group.prepare(levels);
    const Outcome expected = run(*cpu_);
    set_device_limits(group.limits(levels));
    try {
      const Outcome got = run(*device_);
      const std::string what = difference(expected, "the CPU", got, std::string(device_->device()));
      EXPECT_EQ(what, "") << group.text(levels) << seed();
      return got.hash();
    } catch (const Error& error) {
      missing_ = "a case before this one left the device unusable";
      ADD_FAILURE() << group.text(levels) << seed() << "\n  " << name_of(error.code()) << ": " << error.what();
      return 0;
    }
  }
  static std::string seed() {
    const std::string seed = environment("SIMT_SEED");
    return seed.empty() ? seed : "\n  SIMT_SEED=" + seed;
  }

  static inline std::unique_ptr<Backend> device_, cpu_ = make_cpu_backend({1, {}});
  static inline std::string missing_;
};

Size size() { return environment("FUSELAGE_CASES") == "small" ? Size::small : Size::full; }

TEST_P(Bits, AreThoseOfTheCpu) {
  const Group& group = GetParam();
  cases::Bits bits;
  for (const Levels& levels : all_pairs(group.space)) {
    bits.add(compare(group, levels));
    if (HasFailure()) return;
  }
  if (size() == Size::small) return;
  const std::string file = std::string(FUSELAGE_SOURCE_DIR) + "/tests/device/expected_bits.txt";
  EXPECT_EQ(judge(group.name, bits, read_expected_bits(file)), "");
}

TEST(Validation, TheDeviceIsWithinTheErrorBudgetOfTheReference) {
  if (const CudaStatus status = cuda_status(); !status.usable) GTEST_SKIP() << status.text;
  set_device_limits({});
  const ValidationReport report = run_validation({.device = std::string(cuda_device_name()), .quick = true});
  EXPECT_EQ(report.backends, std::vector<std::string>{std::string(cuda_device_name())});
  for (const ValidationRow& row : report.rows)
    EXPECT_TRUE(row.passed()) << row.name << " " << name_of(row.dtype) << "\n  value " << row.value_ulp << " "
                              << row.worst_value << "\n  gradient " << row.gradient_ulp << " " << row.worst_gradient
                              << "\n  " << row.mismatch << "\n  " << row.disagreement;
}

std::string test_name(const ::testing::TestParamInfo<Group>& info) {
  std::string name = info.param.name;
  for (char& c : name)
    if (c == ' ') c = '_';
  return name;
}

INSTANTIATE_TEST_SUITE_P(All, Bits, ::testing::ValuesIn(all_groups(size())), test_name);

}  // namespace
}  // namespace fuselage::cases
