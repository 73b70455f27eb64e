// Mean absolute error, as a metric.
#pragma once

#include "fuselage/batch.h"
#include "fuselage/core/field.h"

namespace fuselage::metric {

/// The unweighted mean of |y - t| over the elements that count. Pointwise losses only.
struct Mae {
  static constexpr std::string_view name = "mae", formula = "mean |y - t|", summary = "mean absolute error";
  static constexpr bool higher_is_better = false;
  static void fields(auto&&) {}
  void request(MetricRequest& r) const { r.errors = true; }
  double value(const LossReport& r) const { return r.abs_error_sum / static_cast<double>(r.count); }
};

}  // namespace fuselage::metric
