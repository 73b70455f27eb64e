// Accuracy.
#pragma once

#include "fuselage/batch.h"
#include "fuselage/core/field.h"

namespace fuselage::metric {

/// The share of the outputs that count whose decision is right: for row losses argmax(prediction) (the first of equals)
/// is the label, or argmax(target); for binary losses prediction and target are on the same side (loss/concepts.h).
/// NaN where nothing counts.
struct Accuracy {
  static constexpr std::string_view name = "accuracy", formula = "right / count", summary = "share of right decisions";
  static constexpr bool higher_is_better = true;
  static void fields(auto&&) {}
  void request(MetricRequest& r) const { r.accuracy = true; }
  double value(const LossReport& r) const { return static_cast<double>(r.correct) / static_cast<double>(r.count); }
};

}  // namespace fuselage::metric
