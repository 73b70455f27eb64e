// F1 of a binary decision.
#pragma once

#include "fuselage/batch.h"
#include "fuselage/core/field.h"

namespace fuselage::metric {

/// The harmonic mean of precision and recall. 0 where there are neither positives nor outputs decided for, NaN where
/// nothing counts. Binary losses only.
struct F1 {
  static constexpr std::string_view name = "f1", formula = "2 hits / (positives + chosen)",
                                    summary = "harmonic mean of precision and recall";
  static constexpr bool higher_is_better = true;
  static void fields(auto&&) {}
  void request(MetricRequest& r) const { r.decisions = true; }
  double value(const LossReport& r) const {
    const std::int64_t whole = r.positives + r.chosen;
    return whole > 0     ? static_cast<double>(2 * r.hits) / static_cast<double>(whole)
           : r.count > 0 ? 0.0
                         : __builtin_nan("");
  }
};

}  // namespace fuselage::metric
