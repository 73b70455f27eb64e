// Sums of reports, and the scores that follow from them.
#include "fuselage/history.h"

#include <cmath>
#include <limits>

namespace fuselage {

void add_report(LossReport& total, const LossReport& batch) {
  total.nonfinite += batch.nonfinite;
  total.bad_labels += batch.bad_labels;
  if (batch.nonfinite > 0 || batch.bad_labels > 0) return;
  total.value_sum += batch.value_sum;
  total.weight_sum += batch.weight_sum;
  total.count += batch.count;
  total.correct += batch.correct;
  total.positives += batch.positives;
  total.chosen += batch.chosen;
  total.hits += batch.hits;
  total.top_k_correct += batch.top_k_correct;
  total.abs_error_sum += batch.abs_error_sum;
  total.squared_error_sum += batch.squared_error_sum;
}

/// Where nothing counted there is no mean: NaN, so that an epoch of skipped steps does not look like a perfect one.
Scores scores_of(const LossReport& total, const std::vector<AnyMetric>& metrics) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  Scores scores;
  scores.loss = total.weight_sum > 0 ? total.value_sum / total.weight_sum : kNone;
  for (const AnyMetric& metric : metrics) {
    const double value = std::visit([&](const auto& m) { return m.value(total); }, metric);
    scores.metrics.push_back(std::isnan(value) ? kNone : value);  // 0/0 has a sign on x86
  }
  scores.nonfinite = total.nonfinite;
  return scores;
}

}  // namespace fuselage
