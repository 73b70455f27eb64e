// The schedule that changes nothing.
#pragma once

#include <cstdint>
#include <string_view>

#include "fuselage/core/field.h"
#include "fuselage/core/hd.h"

namespace fuselage::schedule {

/// factor 1.
struct Constant {
  static constexpr std::string_view name = "constant", formula = "1", summary = "the learning rate as given";
  static void fields(auto&&) {}
  /// What the learning rate is multiplied by at `step` (0-based); a pure function of the step.
  FUSELAGE_HD double factor(std::int64_t) const { return 1; }
};

}  // namespace fuselage::schedule
