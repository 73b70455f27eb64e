// Precision of a binary decision.
#pragma once

#include "fuselage/batch.h"
#include "fuselage/core/field.h"

namespace fuselage::metric {

/// The share of the outputs decided for whose target is a yes. 0 where none is decided for (as scikit-learn), NaN where
/// nothing counts. Binary losses only.
struct Precision {
  static constexpr std::string_view name = "precision", formula = "hits / chosen",
                                    summary = "share of the outputs decided for that are positive";
  static constexpr bool higher_is_better = true;
  static void fields(auto&&) {}
  void request(MetricRequest& r) const { r.decisions = true; }
  double value(const LossReport& r) const {
    const std::int64_t whole = r.chosen;
    return whole > 0 ? static_cast<double>(r.hits) / static_cast<double>(whole) : r.count > 0 ? 0.0 : __builtin_nan("");
  }
};

}  // namespace fuselage::metric
