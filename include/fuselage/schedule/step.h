// The staircase.
#pragma once

#include <cstdint>
#include <string_view>
#include <tuple>

#include "fuselage/core/field.h"
#include "fuselage/core/math.h"

namespace fuselage::schedule {

/// factor gamma^floor(step / every). As PyTorch's StepLR, counted in steps.
struct Step {
  static constexpr std::string_view name = "step", formula = "gamma^floor(step/every)",
                                    summary = "multiplied by gamma every so many steps";
  std::int64_t every = 1000;
  double gamma = 0.1;
  static constexpr auto fields() {
    return std::tuple{Field{"every", &Step::every, Range{1, 9e15}, "steps between two drops"},
                      Field{"gamma", &Step::gamma, kPositive, "factor of a drop"}};
  }
  FUSELAGE_HD double factor(std::int64_t step) const { return powi(gamma, step / every); }
};

}  // namespace fuselage::schedule
