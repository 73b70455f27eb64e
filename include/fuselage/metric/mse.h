// Mean squared error, as a metric.
#pragma once

#include "fuselage/batch.h"
#include "fuselage/core/field.h"

namespace fuselage::metric {

/// The unweighted mean of (y - t)^2 over the elements that count. Pointwise losses only.
struct Mse {
  static constexpr std::string_view name = "mse", formula = "mean (y - t)^2", summary = "mean squared error";
  static constexpr bool higher_is_better = false;
  static void fields(auto&&) {}
  void request(MetricRequest& r) const { r.errors = true; }
  double value(const LossReport& r) const { return r.squared_error_sum / static_cast<double>(r.count); }
};

}  // namespace fuselage::metric
