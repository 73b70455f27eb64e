// Staircases: a drop every so many steps, or at given ones.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "fuselage/schedule/concepts.h"

namespace fuselage::schedule {

/// factor gamma^floor(step / every). As PyTorch's StepLR, counted in steps.
struct Step {
  static constexpr std::string_view name = "step", formula = "gamma^floor(step/every)",
                                    summary = "multiplied by gamma every so many steps";
  std::int64_t every = 1000;
  double gamma = 0.1;
  static void fields(auto&& field) {
    field("every", &Step::every, kSomeSteps, "steps between two drops");
    field("gamma", &Step::gamma, kPositive, "factor of a drop");
  }
  FUSELAGE_HD double factor(std::int64_t step) const { return pow(gamma, static_cast<double>(step / every)); }
};

/// factor gamma^(milestones at or before the step). As PyTorch's MultiStepLR.
struct MultiStep {
  static constexpr std::string_view name = "multistep", formula = "gamma^#{i: at[i] <= step}",
                                    summary = "multiplied by gamma at each of the given steps";
  Milestones at{1000, 2000};
  double gamma = 0.1;
  static void fields(auto&& field) {
    field("at", &MultiStep::at, kSomeSteps, "steps of the drops, ascending");
    field("gamma", &MultiStep::gamma, kPositive, "factor of a drop");
  }
  void check() const { check_ascending(name, at); }
  FUSELAGE_HD double factor(std::int64_t step) const { return pow(gamma, static_cast<double>(reached(at, step))); }
};

}  // namespace fuselage::schedule
