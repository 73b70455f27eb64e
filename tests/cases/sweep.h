// A long walk through one group of cases.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string>

#include "tests/cases/group.h"

namespace fuselage::cases {

inline std::uint64_t number_from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::stoull(text) : otherwise;
}

/// Calls f with every combination of a space of up to 50,000, and with `usual` random ones of a larger space, or
/// FUSELAGE_SWEEP_CASES where that is set; from the seed FUSELAGE_SWEEP_SEED (1) on. Stops at the first failure.
template <class F>
void sweep(const Group& group, std::uint64_t usual, F&& f) {
  constexpr double kWhole = 50000;
  const std::uint64_t seed = number_from_environment("FUSELAGE_SWEEP_SEED", 1),
                      cases = number_from_environment("FUSELAGE_SWEEP_CASES", usual);
  const bool whole = group.space.size() <= kWhole;
  std::cout << group.name << ": " << (whole ? "all of " : std::to_string(cases) + " of ") << group.space.size()
            << " combinations" << (whole ? "" : ", seed " + std::to_string(seed)) << std::endl;
  const auto visit = [&](const Levels& levels) {
    if (!::testing::Test::HasFailure()) f(levels);
  };
  if (whole) return for_each_combination(group.space, visit);
  for (std::uint64_t i = 0; i < cases && !::testing::Test::HasFailure(); ++i)
    visit(random_combination(group.space, seed, i));
}

}  // namespace fuselage::cases
