// Long walks through the spaces of cases on the device of this build, each compared with the CPU; how long and from
// which seed: see tests/cases/sweep.h. And sums of more chunks than one sequence takes in.
#include "tests/cases/device_suite.h"
#include "tests/cases/sweep.h"

namespace fuselage::cases {
namespace {

using BitsSweep = DeviceSuite;

TEST_F(BitsSweep, AreThoseOfTheCpu) {
  for (const Group& group : all_groups(Size::full))
    sweep(group, 10000, [&](const Levels& levels) { compare(group, levels); });
}

TEST_F(BitsSweep, OfSumsBeyondOneSequence) {
  for (const Group& group : loss_groups(Size::beyond_a_sequence))
    if (group.name.find("bf16") != std::string::npos)
      sweep(group, 2, [&](const Levels& levels) { compare(group, levels); });
}

}  // namespace
}  // namespace fuselage::cases
