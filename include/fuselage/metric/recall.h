// Recall of a binary decision.
#pragma once

#include "fuselage/batch.h"
#include "fuselage/core/field.h"

namespace fuselage::metric {

/// The share of the outputs whose target is a yes that are decided for. 0 where there are none (as scikit-learn), NaN
/// where nothing counts. Binary losses only.
struct Recall {
  static constexpr std::string_view name = "recall", formula = "hits / positives",
                                    summary = "share of the positives that are decided for";
  static constexpr bool higher_is_better = true;
  static void fields(auto&&) {}
  void request(MetricRequest& r) const { r.decisions = true; }
  double value(const LossReport& r) const {
    const std::int64_t whole = r.positives;
    return whole > 0 ? static_cast<double>(r.hits) / static_cast<double>(whole) : r.count > 0 ? 0.0 : __builtin_nan("");
  }
};

}  // namespace fuselage::metric
