// Long walks through the spaces of cases on the CPU. Spaces of up to 50,000 combinations (those of activations) are
// walked whole; those of losses (10^13 and more) and optimizers (10^7) at random, without end but for
// FUSELAGE_SWEEP_CASES combinations each, 20,000 unless told; FUSELAGE_SWEEP_SEED begins another walk.
#include <gtest/gtest.h>

#include "tests/cases/sweep.h"
#include "tests/support/batches.h"

namespace fuselage::cases {
namespace {

TEST(CasesSweep, TargetsAndThreadsAgree) {
  const auto backends = testing::cpu_backends();
  for (const Group& group : all_groups(Size::full))
    sweep(group, 20000, [&](const Levels& levels) { ASSERT_EQ(disagreement(group, levels, backends), ""); });
}

}  // namespace
}  // namespace fuselage::cases
