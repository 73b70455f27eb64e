// Top-k accuracy.
#pragma once

#include "fuselage/batch.h"
#include "fuselage/core/field.h"

namespace fuselage::metric {

/// The share of the rows that count whose label is among the k largest logits; of equal logits the one with the smaller
/// class comes first. Row losses only.
struct TopK {
  static constexpr std::string_view name = "top_k", formula = "rows with rank(label) < k / count",
                                    summary = "share of rows whose label is among the k largest";
  static constexpr bool higher_is_better = true;
  std::int64_t k = 5;
  static void fields(auto&& field) { field("k", &TopK::k, Range{1, 2147483647}, "how many of the largest logits"); }
  void request(MetricRequest& r) const { r.top_k = static_cast<std::int32_t>(k); }
  double value(const LossReport& r) const {
    return static_cast<double>(r.top_k_correct) / static_cast<double>(r.count);
  }
};

}  // namespace fuselage::metric
